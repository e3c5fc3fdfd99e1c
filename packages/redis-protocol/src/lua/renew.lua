-- Sets the lease of holds that still belong to their owners, also to a shorter one; an expired or taken-over lock is left
-- alone (H5, H6).
-- KEYS[i] lock key    ARGV[1] TTL in ms    ARGV[2] the owner of each key, a JSON array: a client takes longer for many arguments
-- Replies one character per key: 1 renewed, 0 lost, s held by several, f a key of another kind; or the server's error.
local try, keys, ttl, owners, outcomes = redis.pcall, KEYS, ARGV[1], cjson.decode(ARGV[2]), {}
for i = 1, #keys do
  local lock = keys[i]
  local holder = try('GET', lock)
  if holder == owners[i] then
    -- A server without memory left refuses SET; a user may lack PEXPIRE, which acquiring the lock does not need.
    if try('PEXPIRE', lock, ttl) ~= 1 then redis.call('SET', lock, holder, 'PX', ttl) end
    outcomes[i] = '1'
  elseif type(holder) == 'table' then
    if not string.find(holder.err, 'WRONGTYPE', 1, true) then return holder end
    outcomes[i] = 'f'
  else
    outcomes[i] = holder and string.find(holder, '^%([sp]') and 's' or '0'
  end
end
return table.concat(outcomes)
