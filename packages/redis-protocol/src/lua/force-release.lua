-- Frees a lock whoever holds it, and wakes the waiters. The fence key stays, so tokens keep rising.
-- KEYS[1] lock key, also the channel    ARGV[1] PUBLISH or SPUBLISH
-- Replies 1 freed, 0 was free, -1 a key of another kind.
local holder = redis.pcall('GET', KEYS[1])
if type(holder) == 'table' then return -1 end
if not holder then return 0 end
redis.call('DEL', KEYS[1])
redis.pcall(ARGV[1], KEYS[1], '')
return 1
