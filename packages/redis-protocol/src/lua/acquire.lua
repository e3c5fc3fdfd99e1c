-- Takes the lock for an owner, or a place in its queue; asked again by a holder, refreshes its hold and never shortens it.
-- KEYS    lock, which is also the channel; queue; places; fence: 'last count', the tokens given last; absent: no fencing tokens.
--         Or lock and fence alone: then an exclusive lock is asked for past the queue
-- ARGV[1] owner    ARGV[2] TTL in ms    ARGV[3] tokens to reserve    ARGV[4] PUBLISH or SPUBLISH
-- ARGV[5] '' asks once, '0' takes a place, else the ticket of the place to be kept
-- ARGV[6] x, s or p: exclusive (the default), shared, permits    ARGV[7] permits    ARGV[8] limit
-- Replies 'last count' (granted), 'q ticket PTTL' (queued), PTTL as an integer (busy), 'foreign' or 'fence' (a key of another kind),
-- 'kind' or 'limit n' (in use in another way), or the server's error, and then nothing was acquired.

-- A free lock that nobody waits for: the usual case, and nothing of what follows is needed.
local isFree = (ARGV[6] or 'x') == 'x' and (not queue or pcall('EXISTS', queue) == 0)
if isFree and call('SET', lock, ARGV[1], 'NX', 'PX', ARGV[2]) then
  if not fence then return '0 0' end
  local block, refused = mint(ARGV[2], ARGV[3])
  if block then return block end
  -- Undone also for a user that may not DEL.
  local gone = pcall('DEL', lock)
  if type(gone) == 'table' then call('SET', lock, ARGV[1], 'PX', 1) end
  return refused
end
