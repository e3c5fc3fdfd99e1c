-- Takes back the vote of an owner, whichever round it is of, and wakes the waiters.
-- KEYS[1] lock key, also the channel    ARGV[1] owner
-- Replies 1 taken back, 0 there was none.
local holder = redis.pcall('GET', KEYS[1])
if type(holder) ~= 'string' then return 0 end
local owner = ARGV[1]
if string.sub(holder, 1, #owner + 1) ~= owner .. ':' or not string.find(holder, '^%d+$', #owner + 2) then return 0 end
redis.call('DEL', KEYS[1])
redis.pcall('PUBLISH', KEYS[1], '')
return 1
