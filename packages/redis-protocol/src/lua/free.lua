-- Takes the lock for an owner, or a place in its queue; asked again by a holder, refreshes its hold and never shortens it.
-- KEYS    lock, which is also the channel; queue; places; fence: 'last count', the tokens given last; absent: no fencing tokens.
--         Or lock and fence alone: then an exclusive lock is asked for past the queue
-- ARGV[1] owner    ARGV[2] TTL in ms; absent from here on, as each argument costs time, is what is usual:
-- ARGV[3] tokens to reserve, 1    ARGV[4] '' (usual) asks once, '0' takes a place, else the ticket of the place to be kept
-- ARGV[5] PUBLISH (usual) or SPUBLISH
-- ARGV[6] x, s or p: exclusive (usual), shared, permits    ARGV[7] permits    ARGV[8] limit
-- Replies 'last count' (granted), 'q ticket PTTL' (queued), PTTL as an integer (busy), 'foreign' or 'fence' (a key of another kind),
-- 'kind' or 'limit n' (in use in another way), or the server's error, and then nothing was acquired.
local asker, lease, tokensAsked = ARGV[1], ARGV[2], ARGV[3] or '1'
local place, claimed = ARGV[4] or '', ARGV[6] or 'x'

-- A free lock that nobody waits for: the usual case. Nothing of what follows is needed, and a script makes its functions each time.
local isAlone, isNew = claimed == 'x', place == '' or place == '0'
local isUnwanted = not queue or (isNew and pcall('EXISTS', queue) == 0)
local isTaken = isAlone and isUnwanted and call('SET', lock, asker, 'NX', 'PX', lease)
if isTaken then
  if not fence then return '0 0' end
  local time = pcall('TIME')
  if not time.err and lease + 0 <= 259200000 then
    -- Joining strings costs a fifth of formatting a number, and this is nearly all of what fencing costs.
    local last = time[1] .. string.sub('00000' .. time[2], -6)
    if tokensAsked ~= '1' then last = string.format('%.0f', last + tokensAsked - 1) end
    local block = last .. ' ' .. tokensAsked
    -- The clock is nearly always ahead of the last token, so write first and read what was there; where it is not, `mint` begins
    -- anew, with what was there.
    local before = pcall('SET', fence, block, 'KEEPTTL', 'GET')
    local previous = type(before) == 'string' and tonumber(string.sub(before, 1, 16))
    if previous and previous <= last - tokensAsked then return block end
    if type(before) == 'string' then call('SET', fence, before, 'KEEPTTL') end
    if before == false then
      call('SET', fence, block, 'PX', '2592000000')
      return block
    end
  end
end

