-- Gives and takes back this node's votes: any number of requests, done in order.
-- Of request i: KEYS[2i - 1] lock key, also the channel of its releases    KEYS[2i] fence key
-- ARGV[5i - 4] owner    ARGV[5i - 3], ARGV[5i - 2] first and last proposed token    ARGV[5i - 1] TTL in ms, or what to take back:
--   'round', the vote of that round, silently; 'owner', the vote of any round    ARGV[5i] TTL of the fence key in ms
-- Replies one element per request. To a vote: 1 (yes), {value, PTTL} (another has it), the highest token as a string (proposal
-- too low), 'foreign' or 'fence' (a key of another kind). To the others: 1 taken back, 0 there was none.

-- Whether a vote is one of this owner, of whatever round.
local function belongs(value, owner)
  return string.sub(value, 1, #owner + 1) == owner .. ':' and string.find(value, '^%d+$', #owner + 2)
end

local function vote(lock, fence, owner, first, last, ttl, fenceTtl)
  local value = owner .. ':' .. first
  local fresh = redis.call('SET', lock, value, 'NX', 'PX', ttl)
  if not fresh then
    local holder = redis.pcall('GET', lock)
    if type(holder) == 'table' then return 'foreign' end
    -- Sent twice: the vote stands.
    if holder == value then return 1 end
    if not belongs(holder, owner) then return { holder, redis.call('PTTL', lock) } end
  end
  -- Nearly always the proposal is above the last token, so write first and read what was there.
  local before = redis.pcall('SET', fence, first .. ' ' .. last, 'PX', fenceTtl, 'GET')
  if before then
    local highest = type(before) == 'string' and string.match(before, '^%d+ (%d+)$')
    local readable = highest and tonumber(highest) < 9007199254740992
    if not readable or tonumber(highest) >= tonumber(first) then
      -- No vote, and everything is left as it was (H62).
      if type(before) == 'string' then redis.call('SET', fence, before, 'PX', fenceTtl) end
      if fresh then redis.call('DEL', lock) end
      return readable and highest or 'fence'
    end
  end
  if not fresh then redis.call('SET', lock, value, 'PX', ttl) end
  return 1
end

local function takeBack(lock, owner, first, what)
  local holder = redis.pcall('GET', lock)
  if type(holder) ~= 'string' then return 0 end
  if what == 'round' then
    -- Waking others for a lost round would have them lose rounds, and wake this one, as long as the holder holds.
    return holder == owner .. ':' .. first and redis.call('DEL', lock) or 0
  end
  if not belongs(holder, owner) then return 0 end
  redis.call('DEL', lock)
  redis.pcall('PUBLISH', lock, '')
  return 1
end

local replies = {}
for i = 1, #KEYS / 2 do
  local lock, owner, first, ttl = KEYS[2 * i - 1], ARGV[5 * i - 4], ARGV[5 * i - 3], ARGV[5 * i - 1]
  if ttl == 'round' or ttl == 'owner' then
    replies[i] = takeBack(lock, owner, first, ttl)
  else
    replies[i] = vote(lock, KEYS[2 * i], owner, first, ARGV[5 * i - 2], ttl, ARGV[5 * i])
  end
end
return replies
