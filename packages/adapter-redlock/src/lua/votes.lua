-- Gives and takes back this node's votes: any number of requests, done in order.
-- Of request i: KEYS[2i - 1] lock key, also the channel of its releases    KEYS[2i] fence key: the highest token voted for
-- ARGV[5i - 4] owner    ARGV[5i - 3], ARGV[5i - 2] first and last proposed token; last is '' where no tokens are kept
-- ARGV[5i - 1] TTL in ms, or what to take back:
--   'round', the vote of that round, silently; 'owner', the vote of any round    ARGV[5i] how many of the channel's subscribers
--   are the caller's own; '' where nobody asks whether others wait
-- Replies one element per request, of a single one the element itself. To a vote: 1 + the number of others that wait (yes),
-- {value, PTTL} (another has it), the highest token as a string (proposal too low), 'foreign' or 'fence' (a key of another
-- kind). To the others: 1 + the number of others that wait (taken back), 0 there was none.
local call, pcall = redis.call, redis.pcall

-- Yes, with how many others than the caller listen to the channel.
local function amongOthers(channel, own)
  local seen = pcall('PUBSUB', 'NUMSUB', channel)
  return 1 + math.max(0, (seen[2] or 0) - own)
end

-- Whether a vote is one of this owner, of whatever round.
local function belongs(value, owner)
  return string.sub(value, 1, #owner + 1) == owner .. ':' and string.find(value, '^%d+$', #owner + 2)
end

local function answer(i)
  local lock, owner, first, ttl = KEYS[2 * i - 1], ARGV[5 * i - 4], ARGV[5 * i - 3], ARGV[5 * i - 1]
  local value, last = owner .. ':' .. first, ARGV[5 * i - 2]

  if ttl == 'round' or ttl == 'owner' then
    local holder = pcall('GET', lock)
    if holder ~= value then
      if ttl == 'round' or type(holder) ~= 'string' or not belongs(holder, owner) then return 0 end
    end
    call('DEL', lock)
    -- Waking others for a lost round would have them lose rounds, and wake this one, as long as the holder holds.
    if ttl == 'round' or pcall('PUBLISH', lock, '') == 0 then return 1 end
    return amongOthers(lock, ARGV[5 * i])
  end

  local fresh = call('SET', lock, value, 'NX', 'PX', ttl)
  if not fresh then
    local holder = pcall('GET', lock)
    if type(holder) == 'table' then return 'foreign' end
    -- Sent twice: the vote stands.
    if holder == value then return 1 end
    if not belongs(holder, owner) then return { holder, call('PTTL', lock) } end
    -- A request of an earlier round that was long on its way must not replace the vote of a later one.
    local standing = string.sub(holder, #owner + 2)
    if standing + 0 > first + 0 then return standing end
  end
  if last ~= '' then
    local fence = KEYS[2 * i]
    -- Nearly always the proposal is above the last token, so write first and read what was there.
    local before = pcall('SET', fence, last, 'KEEPTTL', 'GET')
    if before then
      local highest = type(before) == 'string' and string.find(before, '^%d+$') and tonumber(before)
      local readable = highest and highest < 9007199254740992
      if not readable or highest >= first + 0 then
        -- No vote, and everything is left as it was (H62).
        if type(before) == 'string' then call('SET', fence, before, 'KEEPTTL') end
        if fresh then call('DEL', lock) end
        return readable and before or 'fence'
      end
    end
    -- A fence key outlives its lock by far, so that tokens rise even if clients' clocks step back: 30 days and more, or, for
    -- leases of more than a day, a hundred TTLs. Tokens are clocks, so it is enough to prolong it every three hours of theirs.
    if not before or #ttl > 8 or string.sub(before, 1, 6) ~= string.sub(first, 1, 6) then
      call('PEXPIRE', fence, #ttl > 8 and ttl .. '00' or '2764800000')
    end
  end
  if not fresh then call('SET', lock, value, 'PX', ttl) end
  if ARGV[5 * i] == '' then return 1 end
  return amongOthers(lock, ARGV[5 * i])
end

if #KEYS == 2 then return answer(1) end
local replies = {}
for i = 1, #KEYS / 2 do replies[i] = answer(i) end
return replies
