
-- Tries, on keys that do not exist, the commands that renewing and releasing need. A user that may not run one of them is refused
-- before anything is written: nobody could release what it had acquired (H115).
local function missingRight(claim)
  local needed = { { 'GET', lock } }
  if claim ~= 'x' then
    needed = {
      { 'GET', lock }, { 'TIME' }, { 'PTTL', lock }, { 'ZSCORE', queue, '' }, { 'ZRANGEBYSCORE', queue, 1, 0 }, { 'ZREVRANGEBYSCORE', queue, 0, 1 },
      { 'ZCOUNT', queue, 1, 0 }, { 'HGET', places, '' }, { 'ZREM', queue, '' }, { 'HDEL', places, '' },
    }
  end
  for _, command in ipairs(needed) do
    local answer = pcall(unpack(command))
    if type(answer) == 'table' and answer.err and not string.find(answer.err, 'WRONGTYPE', 1, true) then return answer end
  end
end
