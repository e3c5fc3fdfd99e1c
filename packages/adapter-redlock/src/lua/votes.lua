-- Gives, extends and withdraws this node's votes: any number of requests, done in order.
-- Of request i: KEYS[2i - 1] lock key, also the channel of its releases    KEYS[2i] fence key: the highest token voted for
-- ARGV[5i - 4] owner    ARGV[5i - 3], ARGV[5i - 2] first and last proposed token; last is '' where no tokens are kept
-- ARGV[5i - 1] TTL in ms, with 'extend' as last to extend the vote that stands; or what to withdraw:
--   'round', the vote of that round, silently; 'owner', the vote of any round
-- ARGV[5i] how many of the channel's subscribers are the caller's own; '' where nobody asks whether others wait
-- Replies one element per request, of a single one the element itself. To a vote: 1 + the number of others that wait (yes),
-- {value, PTTL} (another owner has it), 'low <highest token>' (proposal too low), 'foreign' or 'fence' (a key of another
-- kind). To the others: 1 + the number of others that wait (done), 0 there was no such vote. To any: 'error <words>' when the
-- server refused a command; then nothing was written.

-- Undoes a vote; gives the refusal, if there is one. A user that may SET but not DEL has it expire at once.
local function undo(lock, value)
  local gone = pcall('DEL', lock)
  if type(gone) == 'table' and pcall('SET', lock, value, 'PX', '1').err then return gone end
end

local function withdraw(lock, owner, value, ofRound, own)
  local holder = pcall('GET', lock)
  if type(holder) == 'table' then return failure(holder, 0) end
  if holder ~= value and (ofRound or not holder or not isOf(holder, owner)) then return 0 end
  local refused = undo(lock, holder)
  if refused then return failure(refused, 0) end
  -- Waking others for a lost round would have them lose rounds, and wake this one, as long as the holder holds.
  if ofRound or pcall('PUBLISH', lock, '') == 0 then return 1 end
  return amongOthers(lock, own)
end

local function extend(lock, value, ttl)
  local holder = pcall('GET', lock)
  if type(holder) == 'table' then return failure(holder, 0) end
  if holder ~= value then return 0 end
  local left = pcall('PTTL', lock)
  if type(left) == 'table' then return failure(left, 0) end
  if left < ttl + 0 then call('SET', lock, value, 'PX', ttl) end
  return 1
end

local function vote(lock, fence, owner, first, last, ttl, own)
  local value = owner .. ':' .. first
  local fresh = pcall('SET', lock, value, 'NX', 'PX', ttl)
  if fresh then
    if fresh.err then return failure(fresh, 'foreign') end
  else
    local holder = pcall('GET', lock)
    if type(holder) == 'table' then return failure(holder, 'foreign') end
    -- Sent twice: the vote stands.
    if holder == value then return 1 end
    if not belongs(holder, owner) then
      local left = pcall('PTTL', lock)
      return { holder, type(left) == 'number' and left or -1 }
    end
    -- A request of an earlier round that was long on its way must not replace the vote of a later one.
    local standing = string.sub(holder, #owner + 2)
    if standing + 0 > first + 0 then return 'low ' .. standing end
  end
  if last ~= '' then
    local refusal = raiseToken(fence, first, last, ttl)
    if refusal then
      if fresh then undo(lock, value) end
      return refusal
    end
  end
  if not fresh then
    -- Never shortened: the owner may rely on the current lease, requested through another client.
    local left = pcall('PTTL', lock)
    call('SET', lock, value, 'PX', type(left) == 'number' and left > ttl + 0 and left or ttl)
  end
  if own == '' then return 1 end
  return amongOthers(lock, own)
end

local function answer(i)
  local lock, fence, at = KEYS[2 * i - 1], KEYS[2 * i], 5 * i - 4
  local owner, first, last, ttl, own = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  if ttl == 'round' or ttl == 'owner' then return withdraw(lock, owner, owner .. ':' .. first, ttl == 'round', own) end
  if last == 'extend' then return extend(lock, owner .. ':' .. first, ttl) end
  return vote(lock, fence, owner, first, last, ttl, own)
end

if #KEYS == 2 then return answer(1) end
local replies = {}
for i = 1, #KEYS / 2 do replies[i] = answer(i) end
return replies
