local call, pcall, protected = redis.call, redis.pcall, pcall
local lock, queue, places, fence = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
-- While the slot of the keys is being moved, only some of them can be had, and the queue is left out.
if not places then queue, fence = nil, queue end
