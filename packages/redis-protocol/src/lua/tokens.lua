local now, micros

-- Reads the server's clock, once: ms as a number, and us as text of 16 digits. Gives the refusal, if it is refused.
local function clock()
  if now then return end
  local time = pcall('TIME')
  if time.err then return time end
  micros = time[1] .. string.sub('00000' .. time[2], -6)
  now = math.floor(micros / 1000)
end

-- Makes a block of tokens, 'last count'; or gives nil and 'fence' (a key of another kind) or the server's error, and then
-- everything is as it was. A fence key outlives its lock by far, so that tokens rise even if the server's clock steps back:
-- 30 days, or ten TTLs.
local function mint(ttl, tokens)
  local refused = clock()
  if refused then return nil, refused end
  local fenceTtl = ttl + 0 > 259200000 and string.format('%.0f', ttl * 10) or '2592000000'
  -- Joining strings costs a fifth of formatting a number, and this is nearly all of what fencing costs.
  local last = micros
  if tokens ~= '1' then last = string.format('%.0f', last + tokens - 1) end
  local block = last .. ' ' .. tokens
  -- The clock is nearly always ahead of the last token, so write first and read what was there.
  local before = pcall('SET', fence, block, 'KEEPTTL', 'GET')
  if before then
    if type(before) == 'table' and not string.find(before.err, 'WRONGTYPE', 1, true) then return nil, before end
    local previous = type(before) == 'string' and tonumber(string.sub(before, 1, 16))
    if not (previous and previous + tokens < 9007199254740992) then
      -- A token that cannot be trusted to rise is refused, and everything is left as it was (H62).
      if type(before) == 'string' then call('SET', fence, before, 'KEEPTTL') end
      return nil, 'fence'
    end
    if previous > last - tokens then
      block = string.format('%.0f %d', previous + tokens, tokens)
      call('SET', fence, block, 'PX', fenceTtl)
    end
  end
  -- Tokens come from the clock that also ends the fence key, so none is above the time at which the key ends: it need
  -- not be prolonged by each grant, only by those that ran ahead of the clock (above) and by leases of many days.
  if not before or fenceTtl ~= '2592000000' then call('SET', fence, block, 'PX', fenceTtl) end
  return block
end

-- A holder without tokens of its own has the last one that was minted.
local function lastToken()
  local block = fence and pcall('GET', fence)
  if not block then return '0 1' end
  if type(block) == 'table' then return nil, string.find(block.err, 'WRONGTYPE', 1, true) and 'fence' or block end
  -- Redlock keeps the last token alone.
  local last = string.match(block, '^(%d+) ?%d*$')
  if not last then return nil, 'fence' end
  return last .. ' 1'
end

-- A repeated request of the holder returns its own tokens (H12, H13) and keeps the longer of the two leases (H113).
local function refreshAlone(owner, ttl)
  local left = pcall('PTTL', lock)
  if type(left) == 'table' then return left end
  local block = '0 0'
  if fence then
    block = pcall('GET', fence)
    if type(block) == 'table' then return string.find(block.err, 'WRONGTYPE', 1, true) and 'fence' or block end
    if block and not string.match(block, '^%d+ %d+$') then return 'fence' end
    if not block then
      local refused
      block, refused = mint(ttl, '1')
      if not block then return refused end
    end
  end
  -- Written in any case: WAIT counts only what its own connection wrote. A key without expiry keeps it that way.
  if left < 0 then call('SET', lock, owner) else call('SET', lock, owner, 'PX', left > ttl + 0 and left or ttl) end
  return block
end

