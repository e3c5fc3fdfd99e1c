import { patch, type Regression } from './regression.ts';

const queue = 'redis-protocol/lua/queue.lua';
const tokens = 'redis-protocol/lua/tokens.lua';
const handOn = 'redis-protocol/lua/hand-on.lua';
const fits = '(not head or head == owner) and fits(claim, permits, limit)';
const anyFits = 'fits(claim, permits, limit)';

/** Faults of the queue in Redis. */
export const redisQueueRegressions: readonly Regression[] = [
  {
    name: 'Redis queue: a newcomer takes what a release leaves free, past the queue',
    backends: ['redis'],
    patches: [
      patch('redis-protocol/lua/usual-acquire.lua', "try('EXISTS', KEYS[2]) == 0 and ", ''),
      patch('redis-protocol/lua/acquire.lua', "not queue or (isNew and pcall('EXISTS', queue) == 0)", 'true'),
      patch(queue, fits, anyFits),
      patch(handOn, '  serve()\n  if not held', '  if not held'),
    ],
  },
  {
    name: 'Redis queue: who is granted the lock keeps its place',
    backends: ['redis'],
    patches: [patch(queue, "  forget(owner)\n  call('SET', lock, owner", "  call('SET', lock, owner")],
  },
  {
    name: 'Redis queue: a claim does not make a lease of the reservation',
    backends: ['redis'],
    patches: [patch(tokens, "'PX', left > ttl + 0 and left or ttl)", "'PX', left)")],
  },
  {
    name: 'Redis queue: beats go on for one who has left',
    backends: ['redis'],
    patches: [
      patch(
        'redis-protocol/place.ts',
        'if (waiting.byOwner.get(place.attempt.owner) === place) waiting.byOwner.delete(place.attempt.owner);',
        '',
      ),
    ],
  },
  {
    name: 'Redis queue: the limit is not kept',
    backends: ['redis'],
    inClaims: true,
    patches: [patch(queue, 'used + permits <= limit + 0', 'true')],
  },
  {
    name: 'Redis queue: the release of an expired permit frees another',
    backends: ['redis'],
    inClaims: true,
    about: 'a server in trouble',
    patches: [
      patch(
        handOn,
        "if not score then return '0' end",
        "if not score then\n    if limitHeld then call('HSET', places, '#', used - 1) end\n    return '0'\n  end",
      ),
    ],
  },
  {
    name: 'Redis queue: a reader is let in past a writer that waits',
    backends: ['redis'],
    inClaims: true,
    patches: [patch(queue, fits, `(not head or head == owner or claim == 's') and ${anyFits}`)],
  },
  {
    name: 'Redis queue: a small request is let in past a large one',
    backends: ['redis'],
    inClaims: true,
    patches: [patch(queue, fits, `(not head or head == owner or claim == 'p') and ${anyFits}`)],
  },
];
