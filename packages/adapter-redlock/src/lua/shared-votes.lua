
-- Grants, extends and withdraws this node's votes for shared locks and permits, for any number of requests, in order. The votes are
-- stored where a single Redis keeps such holders (see its queue.lua), with the round in place of the time of entry.
-- Of request i: KEYS[4i - 3] to KEYS[4i] lock, queue, places, fence; then ten of ARGV:
--   what: 'vote'; 'renew', also to a shorter lease; 'extend', never to a shorter one; 'round', withdraws the vote of that round,
--     silently; 'owner', the vote of any round, an exclusive one as well; 'wait', keeps others from passing; 'waited', no longer
--   owner; first, which is the round, and last proposed token; last is '' where no tokens are kept, and for a shared vote the token
--     that the node is to have at least; TTL in ms; claim, permits, limit; how many of the channel's subscribers are the caller's own,
--     '' where nobody asks whether others wait; whether the caller waits for the key, '1' or ''
-- Replies one element per request, of a single one the element itself. To a vote: 1 + the number of others that wait (yes), or
-- 'yes <token>' for a shared one; {what is in the way, ms}; 'low <number>' (proposal or round too low), 'foreign' or 'fence'. To the others:
-- 1 + the number of others that wait (done), 0 there was no such vote. To any: 'error <words>' when the server refused a command.

-- A waiter stores its claim as field '!' of the places: 'until claim permits'. It asks again within about a second.
local markMs = 1500

local function refusalOf(refused, foreign)
  return refused == 'foreign' and foreign or failure(refused, foreign)
end

-- The round of this owner's vote among others, and its last token; nil where it has none.
local function standing(owner)
  if not limitHeld and held ~= '(shared)' then return end
  local ending = tonumber(call('ZSCORE', queue, owner) or nil)
  if not ending or ending >= tickets + 0 then return end
  local last, round = string.match(call('HGET', places, owner) or '', '^%d+ (%d+) %d+ (%d+)$')
  return round or '', last or '0', ending
end

local function marked()
  local mark = call('HGET', places, '!')
  local till, claim, permits = string.match(mark or '', '^(%d+) (%a) (%d+)$')
  if till and till + 0 > now then return till + 0, claim, permits + 0 end
end

local function noteWaiter(claim, permits)
  local _, _, more = marked()
  if more and more > permits + 0 then return end
  call('HSET', places, '!', string.format('%.0f', now + markMs) .. ' ' .. claim .. ' ' .. permits)
  if call('PTTL', places) < markMs then call('PEXPIRE', places, markMs) end
end

-- For how long a waiter is not to be passed by this one: a writer by readers, a request for permits by smaller ones.
local function standsBack(claim, permits, limit)
  local till, waits, needs = marked()
  if not till or waits ~= (claim == 's' and 'x' or 'p') then return end
  local passes = claim == 'p' and (permits + 0 >= needs or (used or 0) + permits + needs <= limit + 0)
  return not passes and till - now
end

-- The token that stands here, raised to `floor`; or nil and the refusal.
local function readToken(floor, ttl)
  local before = pcall('GET', fence)
  if type(before) == 'table' then return nil, failure(before, 'fence') end
  local token = before and (string.match(before, '^%d+$') or string.match(before, '^(%d+) %d+$')) or not before and '0'
  if not token or token + 0 >= 9007199254740992 then return nil, 'fence' end
  if token + 0 >= floor + 0 then return token end
  call('SET', fence, floor, 'PX', fenceTtl(ttl))
  return floor
end

-- What is in the way, and until when.
local function inTheWay()
  local left = pcall('PTTL', lock)
  if limitHeld then
    local first = call('ZRANGEBYSCORE', queue, '-inf', '(' .. tickets, 'WITHSCORES', 'LIMIT', 0, 1)[2]
    if first then left = math.max(0, first - now) end
  end
  return { held, type(left) == 'number' and left or -1 }
end

local function vote(owner, first, last, ttl, claim, permits, limit, own, waits)
  local refused = open()
  if refused then return refusalOf(refused, 'foreign') end
  local round, token, ending = standing(owner)
  -- A request of an earlier round that was long on its way must not replace the vote of a later one.
  if round and round ~= '' and round + 0 > first + 0 then return 'low ' .. round end
  if round ~= first then
    if not round then
      if not fits(claim, permits, limit) then
        if claim == 'p' and limitHeld == limit and waits == '1' and permits ~= '1' then noteWaiter(claim, permits) end
        return inTheWay()
      end
      local backMs = standsBack(claim, permits, limit)
      if backMs then return { '(waiting)', backMs } end
    end
    local block
    if claim == 's' then
      token = '0'
      if last ~= '' then token, refused = readToken(last, ttl) end
      block = token and token .. ' 1'
    else
      if last ~= '' then refused = raiseToken(fence, first, last, ttl) end
      block = (last == '' and first or last) .. ' ' .. string.format('%.0f', last == '' and 1 or last - first + 1)
    end
    if refused then return refused end
    if round then
      -- Another client of the owner may rely on the current lease.
      drop(owner)
      if ending - now > ttl + 0 then ttl = string.format('%.0f', ending - now) end
    end
    refused = enter(owner, ttl, claim, permits, limit, block, first)
    if refused then return refusalOf(refused, 'foreign') end
    if claim == 'p' then
      local _, _, needs = marked()
      -- Some that stood back may go in beside it.
      if needs and permits + 0 >= needs and call('HDEL', places, '!') == 1 then pcall('PUBLISH', lock, '') end
    end
  end
  if claim == 's' then return 'yes ' .. token end
  return own == '' and 1 or amongOthers(lock, own)
end

-- What the owner held alone and shares from now on is let go of here as well, where the downgrade has not been yet.
local function extendVote(owner, first, ttl, claim, exact)
  local refused = open()
  if refused then return refusalOf(refused, 0) end
  if claim == 's' and held == owner .. ':' .. first then
    local left = exact and 0 or call('PTTL', lock)
    refused = enter(owner, left > ttl + 0 and string.format('%.0f', left) or ttl, 's', '0', '0', first .. ' 1', first)
    if refused then return refusalOf(refused, 0) end
    pcall('PUBLISH', lock, '')
    return 1
  end
  local round, _, ending = standing(owner)
  if round ~= first then return 0 end
  refreshShared(owner, ttl, ending, exact)
  return 1
end

-- A user that may SET but not DEL has it expire at once.
local function unlock()
  if type(pcall('DEL', lock)) == 'table' then call('SET', lock, held, 'PX', 1) end
end

local function leave(owner, first, ofRound, own)
  held = pcall('GET', lock)
  if type(held) == 'string' and (held == owner .. ':' .. first or not ofRound and isOf(held, owner)) then
    -- Also of a user who may do nothing else.
    unlock()
  else
    local refused = open()
    if refused then return refusalOf(refused, 0) end
    local round = standing(owner)
    if not round or ofRound and round ~= first then return 0 end
    drop(owner)
    local last = call('ZREVRANGEBYSCORE', queue, '(' .. tickets, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    if last then
      call('PEXPIRE', lock, string.format('%.0f', math.max(1, last - now)))
      -- A reader that leaves others behind makes room for nobody.
      if not limitHeld then return 1 end
    else
      unlock()
      call('HDEL', places, '#')
    end
  end
  -- Waking others for a lost round would have them lose rounds, and wake this one, as long as the holder holds.
  if ofRound or pcall('PUBLISH', lock, '') == 0 then return 1 end
  return amongOthers(lock, own == '' and 0 or own)
end

local function wait(claim, permits)
  local refused = open()
  if refused then return refusalOf(refused, 0) end
  if held == '(shared)' then noteWaiter(claim, permits) end
  return 1
end

local function answer(at)
  local what, owner, first, last, ttl = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local claim, permits, limit, own, waits = ARGV[at + 5], ARGV[at + 6], ARGV[at + 7], ARGV[at + 8], ARGV[at + 9]
  if what == 'vote' then return vote(owner, first, last, ttl, claim, permits, limit, own, waits) end
  if what == 'renew' or what == 'extend' then return extendVote(owner, first, ttl, claim, what == 'renew') end
  if what == 'wait' then return wait(claim, permits) end
  if what == 'waited' then return 1 + call('HDEL', places, '!') end
  return leave(owner, first, what == 'round', own)
end

local replies = {}
for i = 1, #KEYS / 4 do
  lock, queue, places, fence = KEYS[4 * i - 3], KEYS[4 * i - 2], KEYS[4 * i - 1], KEYS[4 * i]
  local done, reply = protected(answer, 10 * i - 9)
  replies[i] = done and reply or 'error ' .. (type(reply) == 'table' and reply.err or tostring(reply))
end
return #replies == 1 and replies[1] or replies
