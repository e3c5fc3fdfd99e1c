
-- Turns an exclusive hold into a shared one, and admits the shared waiters at the head of the queue. Repeating it renews.
-- KEYS    as the acquire script has them    ARGV[1] owner    ARGV[2] TTL in ms    ARGV[3] PUBLISH or SPUBLISH
-- Replies 1 shared now, 0 lost, f a key of another kind, or the server's error.
local owner, ttl = ARGV[1], ARGV[2]
local refused = missingRight('s') or open()
if refused then return refused == 'foreign' and 'f' or refused end
if held == owner then
  local block = fence and pcall('GET', fence)
  if type(block) ~= 'string' then block = '0 1' end
  refused = enter(owner, ttl, 's', '0', '0', block)
  if refused then return refused end
else
  local score = held == '(shared)' and tonumber(call('ZSCORE', queue, owner) or nil)
  if not score or score >= tickets + 0 then return '0' end
  refreshShared(owner, ttl, score, true)
end
serve()
tell(ARGV[3])
return '1'
