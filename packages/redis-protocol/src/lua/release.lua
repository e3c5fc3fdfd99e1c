-- Frees the lock from its owner, or withdraws the place of that owner, and grants the lock to who is next. Repeating it is
-- harmless. The fence key stays, so that tokens keep rising.
-- KEYS    lock, which is also the channel; queue; places; fence; absent: no fencing tokens
-- ARGV[1] owner    ARGV[2] PUBLISH (if absent) or SPUBLISH; empty: nobody is granted it yet, or woken
-- Replies 1 released, 0 not held, -1 a key of another kind; behind it, each on a line, who was granted the lock; or the error.
local owner, publish = ARGV[1], ARGV[2] or 'PUBLISH'

local alone = pcall('GET', lock)
if alone == owner then
  local refused = pcall('DEL', lock)
  -- A user that may SET but not DEL has it expire at once, and the next read finds it gone.
  if type(refused) == 'table' and pcall('SET', lock, owner, 'PX', 1).err then return refused end
  if publish == '' then return '1' end
  -- Without the queue beats grant it.
  if not queue or pcall('EXISTS', queue) == 0 then
    -- A user without permission for the channel still releases; waiters then find out by polling.
    pcall(publish, lock, '')
    return '1'
  end
end
-- The last of those that hold it together, where nobody waits.
if queue and (alone == '(shared)' or (type(alone) == 'string' and string.find(alone, '^%(permits %d+%)$'))) then
  local score = pcall('ZSCORE', queue, owner)
  local isHolder = type(score) == 'string' and score + 0 < 100000000000000
  if isHolder and pcall('ZCOUNT', queue, '-inf', '+inf') == 1 and type(pcall('DEL', lock, queue, places)) == 'number' then
    if publish ~= '' then pcall(publish, lock, '') end
    return '1'
  end
end
if not queue then
  if type(alone) ~= 'table' then return '0' end
  return string.find(alone.err, 'WRONGTYPE', 1, true) and '-1' or alone
end
