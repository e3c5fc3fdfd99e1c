-- Releases the hold of an owner, or withdraws its place, and grants the lock to the next waiter. Repeating it is
-- harmless. The fence key stays, so that tokens keep rising.
-- KEYS    lock, which is also the channel; queue; places; fence; absent: no fencing tokens. Lock and queue alone, as each key costs
--         time: what nobody waits for is freed (usual). The lock alone: it is freed past the queue
-- ARGV[1] owner    ARGV[2] PUBLISH (if absent) or SPUBLISH; empty: nobody is granted it yet, or woken
-- Replies 1 released, 0 not held, -1 a key of another kind; behind it, each on a line, who was granted the lock; 'more': nothing was
-- done, and all keys are needed; or the error.

-- Nobody waits and the owner holds it: nothing of what follows is needed.
if #KEYS == 2 then
  local try, lock = redis.pcall, KEYS[1]
  if try('EXISTS', KEYS[2]) ~= 0 then return 'more' end
  if try('GET', lock) == ARGV[1] and try('DEL', lock) == 1 then
    -- A user without permission for the channel still releases; waiters then find out by polling.
    try(ARGV[2] or 'PUBLISH', lock, '')
    return '1'
  end
end
