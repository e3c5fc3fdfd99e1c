
if not queue then
  held = pcall('GET', lock)
  if type(held) == 'table' then return string.find(held.err, 'WRONGTYPE', 1, true) and 'foreign' or held end
  return held == asker and refreshAlone(asker, lease) or pcall('PTTL', lock)
end
local answer = ask(asker, lease, lease, tokensAsked, place, claimed, ARGV[7] or '1', ARGV[8] or '0')
tell(ARGV[5] or 'PUBLISH')
return answer
