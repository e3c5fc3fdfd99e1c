-- Looks at a lock.
-- KEYS[1] lock key    KEYS[2] fence key; absent: no fencing tokens
-- Replies {} when free, 'foreign', else {owner, PTTL, first token or ''}.
local holder = redis.pcall('GET', KEYS[1])
if type(holder) == 'table' then return 'foreign' end
if not holder then return {} end
local block = KEYS[2] and redis.pcall('GET', KEYS[2])
local first = type(block) == 'string' and string.match(block, '^(%d+) %d+$') or ''
return { holder, redis.call('PTTL', KEYS[1]), first }
