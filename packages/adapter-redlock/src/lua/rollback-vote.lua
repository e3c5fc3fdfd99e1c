-- Takes back one vote by its exact value, and wakes those who wait.
-- KEYS[1] lock key, also the channel of its releases    ARGV[1] the vote    ARGV[2] how many of its subscribers are the caller's own
-- Replies 1 + the number of others that wait, or 0 when something else stands there, or nothing.
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if redis.pcall('PUBLISH', KEYS[1], '') == 0 then return 1 end
-- Among those who heard may be some who listen to all channels.
local seen = redis.pcall('PUBSUB', 'NUMSUB', KEYS[1])
return 1 + math.max(0, (seen[2] or 0) - ARGV[2])
