-- What the scripts of the votes share.
local call, pcall = redis.call, redis.pcall

-- A fence key outlives its lock by far, so that tokens rise even if clocks step back: 30 days and more, or, for leases of more
-- than a day, a hundred TTLs.
local function fenceTtl(ttl)
  return #ttl > 8 and ttl .. '00' or '2764800000'
end

-- Yes, with how many others than the caller listen to the channel.
local function amongOthers(channel, own)
  local seen = pcall('PUBSUB', 'NUMSUB', channel)
  return 1 + math.max(0, (seen[2] or 0) - own)
end

-- Whether a vote belongs to this owner, in any round.
local function belongs(value, owner)
  return string.sub(value, 1, #owner + 1) == owner .. ':' and string.find(value, '^%d+$', #owner + 2)
end

-- A single Redis keeps the owner alone. What ends as a vote does is taken for one.
local function isOf(value, owner)
  return belongs(value, owner) or value == owner and not string.find(owner, ':%d+$')
end

-- The server's words, or `foreign` where it holds data of another type.
local function failure(reply, foreign)
  return string.find(reply.err, '^WRONGTYPE') and foreign or 'error ' .. reply.err
end

-- Stores the last proposed token, if the node has seen none that is as high as the first; else the reply that says why not.
local function raiseToken(fence, first, last, ttl)
  -- Nearly always the proposal is above the last token, so write first and read what was there.
  local before = pcall('SET', fence, last, 'KEEPTTL', 'GET')
  if type(before) == 'table' then return failure(before, 'fence') end
  if before then
    -- A single Redis keeps 'last count' there.
    local highest = string.match(before, '^%d+$') or string.match(before, '^(%d+) %d+$')
    local readable = highest and highest + 0 < 9007199254740992
    if not readable then
      -- Everything is left as it was (H62).
      call('SET', fence, before, 'KEEPTTL')
      return 'fence'
    end
    if highest + 0 >= first + 0 then
      -- Tokens that are ahead of the clocks grow too slowly to prolong the key below, so that is done where they are told.
      local left, keep = pcall('PTTL', fence), fenceTtl(ttl)
      local prolong = type(left) == 'table' or left >= 0 and left < keep + 0
      if prolong then call('SET', fence, before, 'PX', keep) else call('SET', fence, before, 'KEEPTTL') end
      return 'low ' .. highest
    end
    -- Tokens are clocks, so it is enough to prolong the key every three hours of theirs.
    if highest == before and #ttl <= 8 and string.sub(before, 1, 6) == string.sub(first, 1, 6) and #before == #first then
      return nil
    end
  end
  call('SET', fence, last, 'PX', fenceTtl(ttl))
end
