-- Takes a free lock for an owner, or refreshes the hold that this owner already has; a refresh never shortens the lease.
-- KEYS[1] lock key    KEYS[2] fence key: 'last count', the block of tokens given last; absent: no fencing tokens
-- ARGV[1] owner       ARGV[2] TTL in ms     ARGV[3] tokens to reserve
-- ARGV[4] PUBSUB sub-command that counts waiters; absent: not counted     ARGV[5] the caller's own subscriptions
-- Replies 'last count' (granted; with ARGV[4] then how many others wait), PTTL as an integer (busy),
-- 'foreign' or 'fence' (key of another kind), or the server's error, and then nothing was acquired.
local call, pcall = redis.call, redis.pcall
local lock, fence, owner, ttl = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
-- A fence key outlives its lock by far, so that tokens rise even if the server's clock steps back: 30 days, or ten TTLs.
local fenceTtl = ttl + 0 > 259200000 and string.format('%.0f', ttl * 10) or '2592000000'
local fresh = call('SET', lock, owner, 'NX', 'PX', ttl)
local block

-- Undoes the SET of this call, also for a user that may not DEL.
local function undo(answer)
  if fresh then
    local gone = pcall('DEL', lock)
    if type(gone) == 'table' then call('SET', lock, owner, 'PX', 1) end
  end
  return answer
end

if not fresh then
  local holder = pcall('GET', lock)
  if type(holder) == 'table' then return string.find(holder.err, 'WRONGTYPE', 1, true) and 'foreign' or holder end
  local left = pcall('PTTL', lock)
  if type(left) == 'table' or holder ~= owner then return left end
  -- Asked again: the answer is the hold's own block (H12, H13), and the lease becomes the longer of the two (H113).
  block = fence and pcall('GET', fence)
  if type(block) == 'table' then return string.find(block.err, 'WRONGTYPE', 1, true) and 'fence' or block end
  if block and not string.match(block, '^%d+ %d+$') then return 'fence' end
  -- Written in any case: WAIT counts only what its own connection wrote. A key without expiry keeps it that way.
  if left < 0 then call('SET', lock, owner) else call('SET', lock, owner, 'PX', left > ttl + 0 and left or ttl) end
end

if not fence then
  block = '0 0'
elseif not block then
  -- Joining strings costs a fifth of formatting a number, and this is nearly all of what fencing costs.
  local time, tokens = pcall('TIME'), ARGV[3]
  if time.err then return undo(time) end
  local last = time[1] .. string.sub('00000' .. time[2], -6)
  if tokens ~= '1' then last = string.format('%.0f', last + tokens - 1) end
  block = last .. ' ' .. tokens
  -- The clock is nearly always ahead of the last token, so write first and read what was there.
  local before = pcall('SET', fence, block, 'KEEPTTL', 'GET')
  if before then
    if type(before) == 'table' and not string.find(before.err, 'WRONGTYPE', 1, true) then return undo(before) end
    local previous = type(before) == 'string' and tonumber(string.sub(before, 1, 16))
    if not (previous and previous + tokens < 9007199254740992) then
      -- A token that cannot be trusted to rise is refused, and everything is left as it was (H62).
      if type(before) == 'string' then call('SET', fence, before, 'KEEPTTL') end
      return undo('fence')
    end
    if previous > last - tokens then
      block = string.format('%.0f %d', previous + tokens, tokens)
      call('SET', fence, block, 'PX', fenceTtl)
    end
  end
  -- Tokens come from the clock that also ends the fence key, so none is above the time at which the key ends: it need
  -- not be prolonged by each grant, only by those that ran ahead of the clock (above) and by leases of many days.
  if not before or fenceTtl ~= '2592000000' then call('SET', fence, block, 'PX', fenceTtl) end
end

if ARGV[4] then
  local seen = pcall('PUBSUB', ARGV[4], lock)
  -- A user without permission to count them is told nothing.
  if seen[2] then return block .. ' ' .. math.max(0, seen[2] - ARGV[5]) end
end
return block
