-- Reads a lock.
-- KEYS[1] lock key    KEYS[2] fence key; absent: no fencing tokens
-- Replies {} when free, 'foreign', the server's error, else {owner, PTTL, 'last count' of its tokens or ''}.
local holder = redis.pcall('GET', KEYS[1])
if type(holder) == 'table' then return string.find(holder.err, 'WRONGTYPE', 1, true) and 'foreign' or holder end
if not holder then return {} end
local block = KEYS[2] and redis.pcall('GET', KEYS[2])
if type(block) ~= 'string' or not string.match(block, '^%d+ %d+$') then block = '' end
local left = redis.pcall('PTTL', KEYS[1])
if type(left) == 'table' then return left end
return { holder, left, block }
