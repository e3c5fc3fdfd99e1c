-- The holders and the waiters of one key, for all scripts of the queue.
--
-- lock     the owner that holds it alone; '(shared)' or '(permits limit)' while others do, and then it ends with the last of them
-- queue    a ZSET of owners. Waiters: the ticket, in us. Holders of shared and permit claims: the end of the lease, in ms, which is
--          below any ticket. Holders count only while the lock says '(shared)' or '(permits limit)'.
-- places   a HASH of owners. Waiters: 'until ttl tokens claim permits limit'; without it, or after `until`, a waiter is dead.
--          Holders: 'permits last count since'. '#' is the sum of the permits that are held.
local tickets = '100000000000000'
-- A waiter that stays silent for this long is dead; a waiter that is granted the lock has this long to claim it.
local waiterLease, reservation = 4000, 3000
local held, limitHeld, used, message
local entered = 0

local function forget(owner)
  call('ZREM', queue, owner)
  call('HDEL', places, owner)
end

-- Whether one owner holds it alone: then no waiter is admitted.
local function heldAlone()
  return held and held ~= '(shared)' and not limitHeld
end

-- Keeps the keys of the queue until the last shared holder is over, and at least until a silent waiter counts as dead.
local function keep(heldMs)
  local ms = string.format('%.0f', math.max(heldMs + 0, waiterLease))
  call('PEXPIRE', queue, ms)
  call('PEXPIRE', places, ms)
end

-- Removes a holder and its permits.
local function drop(owner)
  local info = limitHeld and call('HGET', places, owner)
  forget(owner)
  if limitHeld then
    used = used - (info and tonumber(string.match(info, '^%d+')) or 0)
    call('HSET', places, '#', used)
  end
end

-- Reads who holds the lock, unless that is known, and drops expired entries. Returns the refusal, if there is one.
local function open(known)
  held, limitHeld, used, message = known, nil, nil, nil
  if held == nil then held = pcall('GET', lock) end
  if type(held) == 'table' then return string.find(held.err, 'WRONGTYPE', 1, true) and 'foreign' or held end
  local refused = clock()
  if refused then return refused end
  limitHeld = held and string.match(held, '^%(permits (%d+)%)$')
  local counts = limitHeld or held == '(shared)'
  local over = pcall('ZRANGEBYSCORE', queue, '-inf', counts and string.format('(%.0f', now) or '(' .. tickets)
  if over.err then return over end
  -- Without the sum, nobody knows how many permits are held: grant no more.
  if limitHeld then used = tonumber(call('HGET', places, '#') or limitHeld) end
  for _, owner in ipairs(over) do drop(owner) end
end

-- The first waiter that is alive.
local function first()
  while true do
    local head = call('ZRANGEBYSCORE', queue, tickets, '+inf', 'LIMIT', 0, 1)[1]
    if not head then return end
    local info = call('HGET', places, head)
    local alive = info and tonumber(string.match(info, '^(%d+) %d+ %d+ %a '))
    if alive and alive >= now then return head, info end
    forget(head)
  end
end

local function fits(claim, permits, limit)
  if not held then return true end
  local isAlike = claim == 's' and held == '(shared)' or claim == 'p' and limitHeld == limit and used + permits <= limit + 0
  -- Where the queue was deleted or evicted nobody knows who holds the key: it ends with the last of their leases.
  return isAlike and call('ZCOUNT', queue, '-inf', '(' .. tickets) > 0
end

-- The end of a lease, below any ticket however long it is: beyond that, a holder would count as a waiter.
local function endOf(lease)
  return math.min(now + lease, tickets - 1)
end

-- Counts a holder beside others, who are of the same kind or none. The lock is written last: without it nobody counts.
local function write(owner, lease, claim, mark, longest, info, sum)
  call('ZADD', queue, string.format('%.0f', endOf(lease)), owner)
  call('HSET', places, owner, info)
  if claim == 'p' then call('HSET', places, '#', sum) end
  keep(longest)
  call('SET', lock, mark, 'PX', longest)
end

-- The same, but returns the refusal, if there is one, after undoing its writes.
local function enter(owner, lease, claim, permits, limit, block, since)
  local mark = claim == 's' and '(shared)' or '(permits ' .. limit .. ')'
  local before = held
  local left = held == mark and call('PTTL', lock) or -2
  -- Those who enter together have an order too.
  entered = entered + 1
  since = since or string.format('%.0f', micros + entered)
  local sum = claim == 'p' and (limitHeld and used or 0) + permits
  held = mark
  local longest, info = left > lease + 0 and left or lease, permits .. ' ' .. block .. ' ' .. since
  local done, refused = protected(write, owner, lease, claim, mark, longest, info, sum)
  if done then
    if claim == 'p' then limitHeld, used = limit, sum end
    return
  end
  held = before
  pcall('ZREM', queue, owner)
  pcall('HDEL', places, owner)
  if limitHeld then pcall('HSET', places, '#', used) end
  return type(refused) == 'table' and refused or redis.error_reply(tostring(refused))
end

-- The tokens of a new holder, or nil and the refusal.
local function tokensFor(claim, ttl, tokens)
  if claim == 's' then return lastToken() end
  if fence then return mint(ttl, tokens) end
  return '0 0'
end

-- Grants the lock to a compatible claim for a lease. Returns the tokens, or nil and the refusal.
local function give(owner, lease, ttl, tokens, claim, permits, limit)
  local block, refused = tokensFor(claim, ttl, tokens)
  if not block then return nil, refused end
  if claim ~= 'x' then
    refused = enter(owner, lease, claim, permits, limit, block)
    return not refused and block or nil, refused
  end
  forget(owner)
  call('SET', lock, owner, 'PX', lease)
  held = owner
  return block
end

-- Grants from the head of the queue while it is compatible, for a reservation; `asker` reads the reply, so it gets its full lease.
-- Returns the tokens of `asker`, or nil and a refusal.
local function serve(asker, askersLease)
  local mine
  while not heldAlone() do
    local head, info = first()
    if not head then return mine end
    local ttl, tokens, claim, permits, limit = string.match(info, '^%d+ (%d+) (%d+) (%a) (%d+) (%d+)$')
    if not fits(claim, permits, limit) then return mine end
    local lease = head == asker and askersLease or string.format('%.0f', math.min(ttl + 0, reservation))
    local block, refused = give(head, lease, ttl, tokens, claim, permits, limit)
    if not block then return mine, refused end
    if head == asker then
      mine = block
    else
      message = (message and message .. '\n' or '') .. block .. ' ' .. head
    end
  end
  return mine
end

-- Notifies the waiters that were granted the lock. Without permission for the channel, they find out by their next beat.
local function tell(publish)
  if message then pcall(publish, lock, message) end
end

-- As `refreshAlone`, beside others, for a lease that ends at `before`; `exact` also to a shorter one, as a renewal does. Gives its
-- tokens, or nil where they were deleted or evicted.
local function refreshShared(owner, ttl, before, exact)
  local ending = endOf(ttl)
  if not exact and before > ending then ending = before end
  call('ZADD', queue, string.format('%.0f', ending), owner)
  local last = call('ZREVRANGEBYSCORE', queue, '(' .. tickets, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
  call('SET', lock, held, 'PX', string.format('%.0f', math.max(1, last - now)))
  keep(last - now)
  local info = call('HGET', places, owner) or ''
  return string.match(info, '^%d+ (%d+ %d+) ')
end

-- A holder whose tokens were deleted or evicted gets new ones, which are above all others.
local function restore(owner, ttl, tokens, claim, permits)
  local block, refused = tokensFor(claim, ttl, tokens)
  if not block then return refused end
  call('HSET', places, owner, permits .. ' ' .. block .. ' ' .. micros)
  keep(call('PTTL', lock))
  return block
end

-- The refusal if the holder, or else the first waiter, uses the key in another way.
local function otherUse(claim, limit)
  local kind, other = claim == 'p', limitHeld
  local usesPermits = limitHeld ~= nil
  if not held then
    local head, info = first()
    if not head then return end
    local ofHead
    ofHead, other = string.match(info, ' (%a) %d+ (%d+)$')
    usesPermits = ofHead == 'p'
  end
  if kind ~= usesPermits then return 'kind' end
  if kind and other ~= limit then return 'limit ' .. other end
end

-- Takes a place, or keeps the one with this ticket. Returns the ticket, or nil and the refusal, with nothing written.
local function queueUp(owner, known, ttl, tokens, ticket, claim, permits, limit)
  if not known and ticket == '0' then
    local last = call('ZREVRANGEBYSCORE', queue, '+inf', tickets, 'WITHSCORES', 'LIMIT', 0, 1)[2] or 0
    ticket = string.format('%.0f', math.max(last + 1, micros + 0))
    -- The other commands that a place needs must be allowed too.
    for _, command in ipairs({ 'ZREM', 'HDEL' }) do
      local allowed = pcall(command, command == 'ZREM' and queue or places, owner)
      if type(allowed) == 'table' then return nil, allowed end
    end
  end
  if known then ticket = string.format('%.0f', known) end
  local info = string.format('%.0f', now + waiterLease) .. ' ' .. ttl .. ' ' .. tokens
  info = info .. ' ' .. claim .. ' ' .. permits .. ' ' .. limit
  local made, refused = protected(function()
    call('ZADD', queue, ticket, owner)
    call('HSET', places, owner, info)
    keep(held and not heldAlone() and call('PTTL', lock) or 0)
  end)
  if made then return ticket end
  pcall('ZREM', queue, owner)
  pcall('HDEL', places, owner)
  return nil, type(refused) == 'table' and refused or redis.error_reply(tostring(refused))
end

-- `lease` is the duration of a grant made now; `known` is the current holder, if it was read already.
local function ask(owner, lease, ttl, tokens, place, claim, permits, limit, known)
  local refused = open(known)
  if refused then return refused end
  if held == owner then return refreshAlone(owner, lease) end
  local score = tonumber(call('ZSCORE', queue, owner) or nil)
  if score and score < tickets + 0 then
    return refreshShared(owner, lease, score) or restore(owner, ttl, tokens, claim, permits)
  end
  local other = not score and (place == '' or place == '0') and otherUse(claim, limit)
  if other then return other end
  -- While one owner holds it alone, a newcomer need not know who is first; waiters remove the dead ones.
  local head = (score or not heldAlone()) and first()
  local block
  if (not head or head == owner) and fits(claim, permits, limit) then
    block, refused = give(owner, lease, ttl, tokens, claim, permits, limit)
    if not block then return refused end
    -- Others of its kind may be behind it.
    if head then serve() end
    return block
  end
  if place == '' then
    if head then serve() end
    return held and pcall('PTTL', lock) or 0
  end
  local ticket
  ticket, refused = queueUp(owner, score, ttl, tokens, place, claim, permits, limit)
  if not ticket then return refused end
  block, refused = serve(owner, lease)
  return block or refused or 'q ' .. ticket .. ' ' .. call('PTTL', lock)
end
