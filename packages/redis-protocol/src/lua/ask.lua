
local answer = ask(asker, lease, lease, tokensAsked, place, claimed, ARGV[7] or '1', ARGV[8] or '0', seen)
tell(ARGV[5] or 'PUBLISH')
return answer
