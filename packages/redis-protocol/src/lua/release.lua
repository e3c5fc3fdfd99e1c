-- Frees a lock that still belongs to its owner, and wakes the waiters. Repeating it is harmless. The fence key stays, so
-- that tokens keep rising.
-- KEYS[1] lock key, also the channel    ARGV[1] owner    ARGV[2] PUBLISH or SPUBLISH; empty: nobody is woken    ARGV[3] PUBSUB sub-command that counts waiters
-- Replies 1 + the number of waiters when released, 0 not held, -1 a key of another kind, or the server's error.
local holder = redis.pcall('GET', KEYS[1])
if holder == ARGV[1] then
  local gone = redis.pcall('DEL', KEYS[1])
  if type(gone) == 'table' then
    -- A user that may SET but not DEL has the key expire at once; the next read of it finds it gone.
    local expiring = redis.pcall('SET', KEYS[1], holder, 'PX', 1)
    if expiring.err then return gone end
  end
  if ARGV[2] == '' then return 1 end
  -- A user without permission for the channel still releases; waiters then find out by polling.
  local heard = redis.pcall(ARGV[2], KEYS[1], '')
  if heard == 0 then return 1 end
  -- Among those who heard may be some who listen to all channels.
  local seen = redis.pcall('PUBSUB', ARGV[3], KEYS[1])
  return 1 + (seen[2] or 0)
end
if type(holder) == 'table' then return string.find(holder.err, 'WRONGTYPE', 1, true) and -1 or holder end
return 0
