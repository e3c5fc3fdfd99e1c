
-- Reads the votes for a lock.
-- KEYS    lock, queue, places
-- Replies {} when there is none, 'foreign', the server's error, else claim (x, s or p), limit, and of each vote: who gave it, what it is for
-- ("" for an exclusive one, else "permits last count round"), and how many ms it lasts.
local refused = open()
if refused then return refused end
if not held then return {} end
if not limitHeld and held ~= '(shared)' then return { 'x', '0', held, '', call('PTTL', lock) } end
local votes = call('ZRANGEBYSCORE', queue, '-inf', '(' .. tickets, 'WITHSCORES')
-- The queue of the key was deleted or evicted: its unknown holders end with the last lease.
if #votes == 0 then return { 'x', '0', held, '', call('PTTL', lock) } end
local all = { limitHeld and 'p' or 's', limitHeld or '0' }
for i = 1, #votes, 2 do
  all[#all + 1] = votes[i]
  all[#all + 1] = call('HGET', places, votes[i]) or ''
  all[#all + 1] = math.max(0, votes[i + 1] - now)
end
return all
