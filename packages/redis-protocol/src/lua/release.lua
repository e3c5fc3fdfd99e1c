
local owner, publish = ARGV[1], ARGV[2] or 'PUBLISH'
local alone = pcall('GET', lock)
if alone == owner then
  local refused = pcall('DEL', lock)
  -- A user that may run SET but not DEL lets it expire at once, so the next read does not find it.
  if type(refused) == 'table' and pcall('SET', lock, owner, 'PX', 1).err then return refused end
  if publish == '' then return '1' end
  -- Without the queue, the beats grant it.
  if not places or pcall('EXISTS', queue) == 0 then
    pcall(publish, lock, '')
    return '1'
  end
end
-- The last of several holders, while nobody waits.
if places and (alone == '(shared)' or (type(alone) == 'string' and string.find(alone, '^%(permits %d+%)$'))) then
  local score = pcall('ZSCORE', queue, owner)
  local isHolder = type(score) == 'string' and score + 0 < 100000000000000
  if isHolder and pcall('ZCOUNT', queue, '-inf', '+inf') == 1 and type(pcall('DEL', lock, queue, places)) == 'number' then
    if publish ~= '' then pcall(publish, lock, '') end
    return '1'
  end
end
if not places then
  -- Several may hold it, and with the lock alone nobody knows who: as the server says it while the slot is being moved.
  local isShared = #KEYS == 1 and type(alone) == 'string' and string.find(alone, '^%([sp]')
  if isShared then return redis.error_reply('TRYAGAIN The holders of this lock cannot be looked up at the moment') end
  if type(alone) ~= 'table' then return '0' end
  return string.find(alone.err, 'WRONGTYPE', 1, true) and '-1' or alone
end
