-- Gives this node's vote: the lock, if it is free or another round's of the same owner, to a proposal above all tokens seen.
-- KEYS[1] lock key    KEYS[2] fence key
-- ARGV[1] owner       ARGV[2], ARGV[3] first and last proposed token    ARGV[4] TTL in ms    ARGV[5] TTL of the fence key in ms
-- Replies 1 (yes), {value, PTTL} (another has the vote), the highest token as a string (proposal too low), 'foreign' or 'fence'.
local lock, fence, owner, first, ttl = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[4]
local value = owner .. ':' .. first
local fresh = redis.call('SET', lock, value, 'NX', 'PX', ttl)

if not fresh then
  local holder = redis.pcall('GET', lock)
  if type(holder) == 'table' then return 'foreign' end
  -- Sent twice: the vote stands.
  if holder == value then return 1 end
  local own = string.sub(holder, 1, #owner + 1) == owner .. ':' and string.find(holder, '^%d+$', #owner + 2)
  if not own then return { holder, redis.call('PTTL', lock) } end
end

-- Nearly always the proposal is above the last token, so write first and read what was there.
local before = redis.pcall('SET', fence, first .. ' ' .. ARGV[3], 'PX', ARGV[5], 'GET')
if before then
  local highest = type(before) == 'string' and string.match(before, '^%d+ (%d+)$')
  local readable = highest and tonumber(highest) < 9007199254740992
  if not readable or tonumber(highest) >= tonumber(first) then
    -- No vote, and everything is left as it was (H62).
    if type(before) == 'string' then redis.call('SET', fence, before, 'PX', ARGV[5]) end
    if fresh then redis.call('DEL', lock) end
    return readable and highest or 'fence'
  end
end
if not fresh then redis.call('SET', lock, value, 'PX', ttl) end
return 1
