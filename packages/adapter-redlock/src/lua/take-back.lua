-- Takes back one vote by its exact value, and wakes those who wait.
-- KEYS[1] lock key, also the channel of its releases    ARGV[1] the vote
-- Replies 1, or 0 when something else stands there, or nothing.
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.pcall('PUBLISH', KEYS[1], '')
return 1
