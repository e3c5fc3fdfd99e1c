-- Takes back the vote of an owner.
-- KEYS[1] lock key, also the channel    ARGV[1] owner    ARGV[2] proposal: of that round only, and silently; '' of any round
-- Replies 1 taken back, 0 there was none.
local holder = redis.pcall('GET', KEYS[1])
if type(holder) ~= 'string' then return 0 end
local owner, proposal = ARGV[1], ARGV[2]
if proposal ~= '' then
  -- A lost round: waking others for it would have them lose rounds, and wake this one, as long as the holder holds.
  return holder == owner .. ':' .. proposal and redis.call('DEL', KEYS[1]) or 0
end
if string.sub(holder, 1, #owner + 1) ~= owner .. ':' or not string.find(holder, '^%d+$', #owner + 2) then return 0 end
redis.call('DEL', KEYS[1])
redis.pcall('PUBLISH', KEYS[1], '')
return 1
