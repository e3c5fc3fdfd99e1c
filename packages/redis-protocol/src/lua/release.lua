-- Frees a lock that still belongs to its owner, and wakes the waiters.
-- KEYS[1] lock key, also the channel    ARGV[1] owner    ARGV[2] PUBLISH or SPUBLISH
-- Replies 1 released, 0 not held, -1 a key of another kind.
local holder = redis.pcall('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('DEL', KEYS[1])
  -- A user without permission for the channel still releases; waiters then find out by polling.
  redis.pcall(ARGV[2], KEYS[1], '')
  return 1
end
if type(holder) == 'table' then return -1 end
return 0
