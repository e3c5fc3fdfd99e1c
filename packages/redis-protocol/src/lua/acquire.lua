-- Takes a free lock for an owner, or refreshes the hold that this owner already has.
-- KEYS[1] lock key    KEYS[2] fence key; absent: no fencing tokens
-- ARGV[1] owner       ARGV[2] TTL in ms     ARGV[3] tokens to reserve     ARGV[4] TTL of the fence key in ms
-- ARGV[5] PUBSUB sub-command that counts waiters, '' to not count     ARGV[6] the caller's own subscriptions
-- Replies 'first count contended' (granted), PTTL as an integer (busy), 'foreign' or 'fence' (key of another kind).
local lock, fence, owner, ttl = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local fresh = redis.call('SET', lock, owner, 'NX', 'PX', ttl)

if not fresh then
  local holder = redis.pcall('GET', lock)
  if type(holder) == 'table' then return 'foreign' end
  if holder ~= owner then return redis.call('PTTL', lock) end
  redis.call('PEXPIRE', lock, ttl)
end
if not fence then return '0 1 0' end

local first, last
if not fresh then
  -- Asked again: the answer is the hold's own block of tokens (H12, H13).
  local block = redis.pcall('GET', fence)
  if type(block) == 'table' then return 'fence' end
  if block then
    first, last = string.match(block, '^(%d+) (%d+)$')
    if not first then return 'fence' end
  end
end

if not first then
  local count, time = tonumber(ARGV[3]), redis.call('TIME')
  first = time[1] * 1000000 + time[2]
  last = first + count - 1
  -- The clock is nearly always ahead of the last token, so write first and read what was there.
  local before = redis.pcall('SET', fence, string.format('%.0f %.0f', first, last), 'PX', ARGV[4], 'GET')
  if before then
    local highest = type(before) == 'string' and tonumber(string.match(before, '^%d+ (%d+)$'))
    if not highest or highest + count >= 9007199254740992 then
      -- A token that cannot be trusted to rise is refused, and everything is left as it was (H62).
      if type(before) == 'string' then redis.call('SET', fence, before) end
      if fresh then redis.call('DEL', lock) end
      return 'fence'
    end
    if highest >= first then
      first = highest + 1
      last = highest + count
      redis.call('SET', fence, string.format('%.0f %.0f', first, last), 'PX', ARGV[4])
    end
  end
end

local contended = 0
if ARGV[5] ~= '' then
  local seen = redis.pcall('PUBSUB', ARGV[5], lock)
  if seen[2] and seen[2] > tonumber(ARGV[6]) then contended = 1 end
end
return string.format('%.0f %.0f %d', first, last - first + 1, contended)
