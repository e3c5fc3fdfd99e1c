-- Withdraws one vote by its exact value, and wakes the waiters.
-- KEYS[1] lock key, also the channel of its releases    ARGV[1] the vote    ARGV[2] how many of its subscribers are the caller's own
-- Replies 1 + the number of others that wait; 0 when something else stands there, or nothing; 'error <words>' when the server
-- refused a command.
local holder = redis.pcall('GET', KEYS[1])
if holder ~= ARGV[1] then
  if type(holder) == 'table' and not string.find(holder.err, '^WRONGTYPE') then return 'error ' .. holder.err end
  return 0
end
local gone = redis.pcall('DEL', KEYS[1])
-- A user that may SET but not DEL has it expire at once.
if type(gone) == 'table' then
  local ended = redis.pcall('SET', KEYS[1], holder, 'PX', 1)
  if ended.err then return 'error ' .. gone.err end
end
if redis.pcall('PUBLISH', KEYS[1], '') == 0 then return 1 end
-- Among those who heard may be some who listen to all channels.
local seen = redis.pcall('PUBSUB', 'NUMSUB', KEYS[1])
return 1 + math.max(0, (seen[2] or 0) - ARGV[2])
