
-- Reads a lock.
-- KEYS    as the acquire script has them
-- Replies {} when free, 'foreign', the server's error, else {owner, ms, 'last count' of its tokens or '', claim, limit, waiters,
-- the time of the grant in us or ''} of the earliest holder, and then the owners of all.
if not queue then
  local owner = pcall('GET', lock)
  if type(owner) == 'table' then return string.find(owner.err, 'WRONGTYPE', 1, true) and 'foreign' or owner end
  if not owner then return {} end
  local block = fence and pcall('GET', fence)
  if type(block) ~= 'string' or not string.match(block, '^%d+ %d+$') then block = '' end
  return { owner, call('PTTL', lock), block, 'x', '0', 0, '', owner }
end
local refused = open()
if refused then return refused end
if not held then return {} end
local waiters = call('ZCOUNT', queue, tickets, '+inf')
local owners = {}
if limitHeld or held == '(shared)' then
  owners = call('ZRANGEBYSCORE', queue, '-inf', '(' .. tickets, 'WITHSCORES')
end
if #owners == 0 then
  local block = fence and pcall('GET', fence)
  if type(block) ~= 'string' or not string.match(block, '^%d+ %d+$') then block = '' end
  local left = pcall('PTTL', lock)
  if type(left) == 'table' then return left end
  -- Its first token is the time of the grant, unless the server's clock was set back before.
  local last, count = string.match(block, '^(%d+) (%d+)$')
  local first = last and last - count + 1
  return { held, left, block, 'x', '0', waiters, first and first <= micros + 0 and string.format('%.0f', first) or '', held }
end
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
