
-- Keeps the places of one process, restores those that were lost, and grants what is free, for a reservation: a beat that arrives
-- late must not hold the lock for longer.
-- KEYS    lock, queue, places and, with fencing tokens, fence, of each key
-- ARGV[1] PUBLISH or SPUBLISH    ARGV[2] keys of a lock: 4 or 3
-- ARGV    then for each place: number of its lock, from 1; owner; TTL; tokens; ticket; claim; permits; limit
-- Replies for each place what the acquire script does, and an error as text that begins with '!'.
local answers, size = {}, ARGV[2] + 0
for i = 3, #ARGV, 8 do
  local at = (ARGV[i] - 1) * size
  lock, queue, places, fence = KEYS[at + 1], KEYS[at + 2], KEYS[at + 3], size == 4 and KEYS[at + 4] or nil
  local owner, ttl, tokens, ticket = ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local lease = string.format('%.0f', math.min(ttl + 0, reservation))
  local done, answer = protected(ask, owner, lease, ttl, tokens, ticket, ARGV[i + 5], ARGV[i + 6], ARGV[i + 7])
  if type(answer) == 'table' then answer = '!' .. (answer.err or '') elseif not done then answer = '!' .. tostring(answer) end
  answers[#answers + 1] = answer
  tell(ARGV[1])
end
return answers
