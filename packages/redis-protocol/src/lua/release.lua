-- Frees the lock from its owner, or withdraws the place of that owner, and grants the lock to who is next. Repeating it is
-- harmless. The fence key stays, so that tokens keep rising.
-- KEYS    lock, which is also the channel; queue; places; fence; absent: no fencing tokens
-- ARGV[1] owner    ARGV[2] PUBLISH or SPUBLISH; empty: nobody is granted it yet, or woken
-- Replies 1 released, 0 not held, -1 a key of another kind; behind it, each on a line, who was granted the lock; or the error.
local owner, publish = ARGV[1], ARGV[2]

-- Deletes the lock; a user that may SET but not DEL has it expire at once, and the next read finds it gone.
local function unlock()
  local gone = pcall('DEL', lock)
  if type(gone) ~= 'table' then return end
  local expiring = pcall('SET', lock, owner, 'PX', 1)
  if expiring.err then return gone end
end

local alone = pcall('GET', lock)
if alone == owner then
  local refused = unlock()
  if refused then return refused end
  if publish == '' then return '1' end
  -- Without the queue beats grant it.
  if not queue or pcall('EXISTS', queue) == 0 then
    -- A user without permission for the channel still releases; waiters then find out by polling.
    pcall(publish, lock, '')
    return '1'
  end
end
if not queue then
  if type(alone) ~= 'table' then return '0' end
  return string.find(alone.err, 'WRONGTYPE', 1, true) and '-1' or alone
end
