-- What was granted becomes a lease.
if not isNew and pcall('GET', lock) == asker then return refreshAlone(asker, lease) end

if isTaken then
  local block, refused = mint(lease, tokensAsked)
  if block then return block end
  -- Undone also for a user that may not DEL.
  local gone = pcall('DEL', lock)
  if type(gone) == 'table' then call('SET', lock, asker, 'PX', 1) end
  return refused
end

-- The first shared lock, or the first permits, of a key that nobody waits for.
if not isAlone and isUnwanted and pcall('GET', lock) == false then
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
    call('ZADD', queue, string.format('%.0f', now + lease), asker)
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

