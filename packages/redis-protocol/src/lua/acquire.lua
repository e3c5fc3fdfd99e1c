
local isUsual = not ARGV[3]
if isUsual then queue, places, fence = KEYS[2], nil, places end
local asker, lease, tokensAsked, place, claimed = ARGV[1], ARGV[2], ARGV[3] or '1', ARGV[4] or '', ARGV[6] or 'x'
local isAlone, isNew = claimed == 'x', place == '' or place == '0'
local isUnwanted = not isUsual and (not queue or (isNew and pcall('EXISTS', queue) == 0))
if isAlone and isUnwanted then isTaken = call('SET', lock, asker, 'NX', 'PX', lease) end
if isTaken and not fence then return '0 0' end

if isTaken then
  local block, refused = mint(lease, tokensAsked)
  if block then return block end
  -- Undo this even if the user may not run DEL.
  local gone = pcall('DEL', lock)
  if type(gone) == 'table' then call('SET', lock, asker, 'PX', 1) end
  return refused
end

-- Without the places, the lock key alone gives the answer.
if not places then
  local holder = pcall('GET', lock)
  if type(holder) == 'table' then return string.find(holder.err, 'WRONGTYPE', 1, true) and 'foreign' or holder end
  if holder == asker then return refreshAlone(asker, lease) end
  if queue and not holder then return 'more' end
  if queue and string.find(holder, '^%(permits %d+%)$') then return 'kind' end
  return pcall('PTTL', lock)
end

local seen
if not isNew or (not isAlone and isUnwanted) then seen = pcall('GET', lock) end
-- What was granted becomes a lease.
if not isNew and seen == asker then return refreshAlone(asker, lease) end

-- The first shared lock, or the first permits, of a key that nobody waits for.
if not isAlone and isUnwanted and seen == false then
  local permits, block = ARGV[7], '0 0'
  local refused = clock()
  if refused then return refused end
  if claimed == 's' then
    block, refused = lastToken()
  elseif fence then
    block, refused = mint(lease, tokensAsked)
  end
  if not block then return refused end
  local function enterFirst()
    -- Below any ticket, as in `endOf`.
    call('ZADD', queue, string.format('%.0f', math.min(now + lease, 99999999999999)), asker)
    call('PEXPIRE', queue, lease)
    local info = permits .. ' ' .. block .. ' ' .. string.format('%.0f', micros + 1)
    if claimed == 's' then
      call('HSET', places, asker, info)
    else
      call('HSET', places, asker, info, '#', permits)
    end
    call('PEXPIRE', places, lease)
    call('SET', lock, claimed == 's' and '(shared)' or '(permits ' .. ARGV[8] .. ')', 'PX', lease)
  end
  local done
  done, refused = protected(enterFirst)
  if done then return block end
  pcall('ZREM', queue, asker)
  pcall('HDEL', places, asker)
  return type(refused) == 'table' and refused or redis.error_reply(tostring(refused))
end

