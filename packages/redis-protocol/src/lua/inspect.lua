
-- Reads a lock.
-- KEYS    as the acquire script has them
-- Replies {} when free, 'foreign', the server's error, else {owner, ms, 'last count' of its tokens or '', claim, limit, waiters,
-- the time of the grant in us or ''} of the earliest holder, and then the owners of all.
local owner = pcall('GET', lock)
if type(owner) == 'table' then return string.find(owner.err, 'WRONGTYPE', 1, true) and 'foreign' or owner end
if not owner then return {} end

-- Reads a sole holder. This needs no TIME, which not every user may run.
local function inspectAlone()
  local block = fence and pcall('GET', fence)
  local last, count
  if type(block) == 'string' then
    last, count = string.match(block, '^(%d+) (%d+)$')
    -- Redlock, over this node among others, writes the first token behind the owner, and the last one that it proposed to the fence key.
    local first = string.match(block, '^%d+$') and string.match(owner, ':(%d+)$')
    if first and first + 0 <= block + 0 then last, count, block = first, 1, first .. ' 1' end
  end
  local left = pcall('PTTL', lock)
  if type(left) == 'table' then return left end
  local waiters = queue and call('ZCOUNT', queue, tickets, '+inf') or 0
  -- Its first token is the time of the grant, unless the server's clock was set back before.
  local since = last and not clock() and last - count + 1
  local told = since and since <= micros + 0 and string.format('%.0f', since) or ''
  -- While the slot of its keys is being moved, this may also be all that is known of a lock with several holders.
  local limit = string.match(owner, '^%(permits (%d+)%)$')
  local claim = limit and 'p' or owner == '(shared)' and 's' or 'x'
  return { owner, left, last and block or '', claim, limit or '0', waiters, told, owner }
end

if not queue or not (owner == '(shared)' or string.find(owner, '^%(permits %d+%)$')) then return inspectAlone() end
local refused = open()
if refused then return refused end
local waiters = call('ZCOUNT', queue, tickets, '+inf')
local owners = call('ZRANGEBYSCORE', queue, '-inf', '(' .. tickets, 'WITHSCORES')
if #owners == 0 then return inspectAlone() end
local all, earliest, since = {}, 1, nil
for i = 1, #owners, 2 do
  local info = call('HGET', places, owners[i]) or ''
  local entered = string.match(info, ' (%d+)$') or ''
  if not since or entered < since then earliest, since = i, entered end
  all[#all + 1] = owners[i]
end
local info = call('HGET', places, owners[earliest]) or ''
local block = fence and string.match(info, '^%d+ (%d+ %d+) ') or ''
local left = math.max(0, owners[earliest + 1] - now)
return { owners[earliest], left, block, limitHeld and 'p' or 's', limitHeld or '0', waiters, since, unpack(all) }
