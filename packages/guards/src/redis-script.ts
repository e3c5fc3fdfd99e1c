/**
 * The script of a fenced write.
 *
 * KEYS: the fence, then the key of each write. ARGV: the token, then for each write the command, the number of its further
 * arguments, and those arguments; or `look` alone. Lua numbers are doubles, so tokens are compared as decimal texts, by length first.
 *
 * Redis does not roll back a script, and any command may fail (wrong type, permissions, syntax). Before a batch, the script
 * copies every key that a later failure would leave changed (DUMP), and restores the copies (RESTORE) after a failure. One
 * command alone needs no copy: it either takes effect or fails.
 */
export const fencedWriteScript = `
local fence, token, stored = KEYS[1], ARGV[1], redis.call('GET', KEYS[1])
if stored then
  local isToken = stored == '0' or (string.find(stored, '^[1-9]%d*$') and #stored <= 19)
  if not isToken or (#stored == 19 and stored > '9223372036854775807') then
    return redis.error_reply('ERR the fence holds something that is no fencing token. (Nothing was written.)')
  end
  if #stored > #token or (#stored == #token and stored > token) then return 0 end
end
-- A look writes nothing, the token neither.
if #KEYS == 1 and ARGV[2] == 'look' then return 1 end

local function errorOf(reply) return type(reply) == 'table' and reply.err or nil end

-- An expiry in the past deletes the key at once, with no permission but that for SET.
local function delete(key) return redis.pcall('SET', key, '', 'PXAT', 1) end

local copies, isCopied = {}, {}

local function refuse(reason)
  for _, copy in ipairs(copies) do
    local undone = copy.value and redis.pcall('RESTORE', copy.key, copy.ttl, copy.value, 'REPLACE') or delete(copy.key)
    if errorOf(undone) then
      return redis.error_reply(reason .. ' (The writes before it were not undone: ' .. errorOf(undone) .. ')')
    end
  end
  local _ = stored and redis.pcall('SET', fence, stored) or delete(fence)
  return redis.error_reply(reason .. ' (Nothing was written.)')
end

-- The first write finds out whether the server takes writes at all, such as on a replica or without memory.
local problem = errorOf(redis.pcall('SET', fence, token))
if problem then return redis.error_reply(problem .. ' (Nothing was written.)') end

if #KEYS > 2 then
  -- The fence exists, so a permitted RESTORE answers BUSYKEY and changes nothing.
  problem = errorOf(redis.pcall('RESTORE', fence, 0, '')) or ''
  if not string.find(problem, 'BUSYKEY', 1, true) then
    return refuse(problem .. ' (Several commands in one fenced write need DUMP, PTTL and RESTORE.)')
  end
end
for i = 2, #KEYS - 1 do
  local key = KEYS[i]
  if not isCopied[key] then
    local value, ttl = redis.pcall('DUMP', key), redis.pcall('PTTL', key)
    problem = errorOf(value) or errorOf(ttl)
    if problem then
      copies = {}
      return refuse(problem .. ' (Several commands in one fenced write need DUMP, PTTL and RESTORE.)')
    end
    isCopied[key] = true
    copies[#copies + 1] = { key = key, value = value, ttl = ttl < 0 and 0 or math.max(ttl, 1) }
  end
end

local at = 2
for i = 2, #KEYS do
  local last = at + 1 + tonumber(ARGV[at + 1])
  local passed, reply = pcall(function() return redis.pcall(ARGV[at], KEYS[i], unpack(ARGV, at + 2, last)) end)
  if not passed then
    return refuse('ERR ' .. ARGV[at] .. ' has more arguments than a script can pass on: split it. ' .. tostring(reply))
  end
  if errorOf(reply) then return refuse(errorOf(reply)) end
  at = last + 1
end
return 1
`;
