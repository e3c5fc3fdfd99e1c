
if not queue then
  held = pcall('GET', lock)
  if type(held) == 'table' then return string.find(held.err, 'WRONGTYPE', 1, true) and 'foreign' or held end
  return held == ARGV[1] and refreshAlone(ARGV[1], ARGV[2]) or pcall('PTTL', lock)
end
local answer = ask(ARGV[1], ARGV[2], ARGV[2], ARGV[3], ARGV[5], ARGV[6] or 'x', ARGV[7] or '1', ARGV[8] or '0')
tell(ARGV[4])
return answer
