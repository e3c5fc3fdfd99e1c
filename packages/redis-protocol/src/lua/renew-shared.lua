
-- Sets the lease of holds beside others that still belong to their owners, also to a shorter one.
-- KEYS    lock, queue, places of each    ARGV[1] TTL in ms    ARGV[2] the owner of each, a JSON array
-- Replies one character per hold: 1 renewed, 0 lost, f a key of another kind; or the server's error.
local ttl, owners, outcomes = ARGV[1], cjson.decode(ARGV[2]), {}
for i = 1, #owners do
  lock, queue, places = KEYS[3 * i - 2], KEYS[3 * i - 1], KEYS[3 * i]
  local alone = pcall('GET', lock)
  -- Its downgrade was lost or refused: the user may lack the rights that shared locks need.
  local isAlone = alone == owners[i]
  local refused = not isAlone and open(alone) or nil
  if type(refused) == 'table' then return refused end
  local score = not isAlone and not refused and tonumber(call('ZSCORE', queue, owners[i]) or nil)
  if refused then
    outcomes[i] = 'f'
  elseif score and score < tickets + 0 then
    refreshShared(owners[i], ttl, score, true)
    outcomes[i] = '1'
  elseif isAlone then
    call('PEXPIRE', lock, ttl)
    outcomes[i] = '1'
  else
    outcomes[i] = '0'
  end
end
return table.concat(outcomes)
