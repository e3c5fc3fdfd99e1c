-- Takes the lock for an owner, or a place in its queue; asked again by a holder, refreshes its hold and never shortens it.
-- KEYS    lock, which is also the channel; queue; places; fence: 'last count', the tokens given last; absent: no fencing tokens.
--         Or lock and fence alone: then an exclusive lock is asked for past the queue
-- ARGV[1] owner    ARGV[2] TTL in ms    ARGV[3] tokens to reserve
-- ARGV[4] '' asks once, '0' takes a place, else the ticket of the place to be kept    ARGV[5] PUBLISH (if absent) or SPUBLISH
-- ARGV[6] x, s or p: exclusive (usual), shared, permits    ARGV[7] permits    ARGV[8] limit
-- ARGV[9] '1' the first request of its kind: whether renewing and releasing are allowed is not known yet
-- The usual request asks once for an exclusive lock and one token: KEYS lock, queue, fence; ARGV owner, TTL
-- Replies 'last count' (granted), 'q ticket PTTL' (queued), PTTL as an integer (busy), 'foreign' or 'fence' (a key of another kind),
-- 'kind' or 'limit n' (in use in another way), 'more' (nothing was done, and all keys are needed), or the server's error, and then
-- nothing was acquired.

-- A free lock that nobody waits for, by the usual request. Nothing of what follows is needed, and whatever a script names, is
-- given or makes costs time.
local isTaken
if not ARGV[3] then
  local try, lock, fence, lease = redis.pcall, KEYS[1], KEYS[3], ARGV[2]
  isTaken = try('EXISTS', KEYS[2]) == 0 and redis.call('SET', lock, ARGV[1], 'NX', 'PX', lease)
  if isTaken and not fence then return '0 0' end
  local time = isTaken and try('TIME')
  -- For a day at most. To read a number costs a tenth of a command, so tokens are compared as text: they have one length.
  if time and time[2] and #lease < 9 then
    local micros = time[2]
    if #micros < 6 then micros = string.sub('00000' .. micros, -6) end
    local block = time[1] .. micros .. ' 1'
    -- The clock is nearly always ahead of the last token, so write first and read what was there; where it is not, `mint` begins
    -- anew, with what was there.
    local before = try('SET', fence, block, 'KEEPTTL', 'GET')
    if before == false then
      redis.call('SET', fence, block, 'PX', '2592000000')
      return block
    end
    if #before == #block and before < block and string.find(before, '^%d+ 1$') then return block end
    if type(before) == 'string' then redis.call('SET', fence, before, 'KEEPTTL') end
  end
end

