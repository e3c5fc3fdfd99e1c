
-- Grants the lock to the next waiter. If there is none, subscribers are told that the lock is free.
local function handOn()
  if publish == '' then return end
  serve()
  if not held and not message then message = '' end
end

-- Frees a lock that several held, by any command that the user is allowed to run.
local function unlock()
  if type(pcall('DEL', lock)) == 'table' then pcall('SET', lock, held, 'PX', 1) end
end

local function leave()
  -- What it had alone is deleted by now.
  local refused = open(alone ~= owner and alone)
  if refused then return refused end
  if alone == owner then
    handOn()
    return '1'
  end
  local score = tonumber(call('ZSCORE', queue, owner) or nil)
  if not score then return '0' end
  if score >= tickets + 0 then
    forget(owner)
    handOn()
    return '0'
  end
  drop(owner)
  local last = call('ZREVRANGEBYSCORE', queue, '(' .. tickets, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
  if last then
    call('PEXPIRE', lock, string.format('%.0f', math.max(1, last - now)))
  else
    unlock()
    call('HDEL', places, '#')
    held, limitHeld, used = false, nil, nil
  end
  handOn()
  return '1'
end

-- The usual case of a repeated release: this owner has nothing left.
if type(alone) ~= 'table' and alone ~= owner and pcall('ZSCORE', queue, owner) == false then return '0' end
local done, answer = protected(leave)
if answer == 'foreign' then return '-1' end
-- The lock is free even if the user may not grant it to the next waiter: the beats do that.
if alone == owner and (not done or type(answer) == 'table') then return '1' end
if not done then return type(answer) == 'table' and answer or redis.error_reply(tostring(answer)) end
if type(answer) == 'table' then return answer end
tell(publish)
return message and message ~= '' and answer .. '\n' .. message or answer
