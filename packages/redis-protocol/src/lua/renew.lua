-- Prolongs holds that still belong to their owners; an expired or taken-over lock is left alone (H5, H6).
-- KEYS[i] lock key    ARGV[1] TTL in ms    ARGV[i + 1] owner of KEYS[i]
-- Replies one character per key: 1 renewed, 0 lost, f a key of another kind.
local ttl, outcomes = ARGV[1], {}
for i = 1, #KEYS do
  local holder = redis.pcall('GET', KEYS[i])
  if holder == ARGV[i + 1] then
    redis.call('PEXPIRE', KEYS[i], ttl)
    outcomes[i] = '1'
  elseif type(holder) == 'table' then
    outcomes[i] = 'f'
  else
    outcomes[i] = '0'
  end
end
return table.concat(outcomes)
