import { patch, type Regression } from './regression.ts';

// lock-core counts on no more than such a refresh would leave, so both layers of the fix have to go.
const countOnRenewal = patch(
  'lock-core/renewals.ts',
  'certainMs = Math.min(certainMs, lease.ttlMs);',
  'certainMs = Math.min(certainMs, lease.sentMs);',
);

/** Faults of the backends' packages. */
export const backendRegressions: readonly Regression[] = [
  {
    name: 'memory: a refresh shortens the lease',
    backends: ['memory'],
    patches: [
      patch(
        'adapter-memory/adapter.ts',
        'holder.expiresAt = Math.max(holder.expiresAt, now + ttlMs);',
        'extendExpiry(store, key, entry, holder, ttlMs, now);',
      ),
      countOnRenewal,
    ],
  },
  {
    name: 'memory: an expired hold with waiters frees nobody',
    backends: ['memory'],
    patches: [patch('adapter-memory/store.ts', 'settle(store, key, entry, store.clock.now());', '')],
  },
  {
    name: 'memory: a token is given twice',
    backends: ['memory'],
    patches: [
      patch(
        'adapter-memory/store.ts',
        'store.lastToken = count === 1 ? first : first + BigInt(count - 1);',
        'store.lastToken = first;',
      ),
    ],
  },
  {
    name: 'Redis: a refresh shortens the lease',
    backends: ['redis'],
    // Of a place in the queue, by a beat that is late: whatever else is sent twice has another owner ID.
    about: 'long waits amid broken connections',
    patches: [
      patch('redis-protocol/lua/tokens.lua', "'PX', left > ttl + 0 and left or ttl)", "'PX', ttl)"),
      countOnRenewal,
    ],
  },
  {
    name: 'Redis: a release does not look whose lock it is',
    backends: ['redis'],
    patches: [patch('redis-protocol/lua/release.lua', 'if alone == owner then', "if type(alone) == 'string' then")],
  },
  {
    name: "Redis: a renewal takes somebody else's lock",
    backends: ['redis'],
    patches: [patch('redis-protocol/lua/renew.lua', 'if holder == owners[i] then', "if type(holder) == 'string' then")],
  },
  {
    name: 'Redis: a renewal brings an expired lock back',
    backends: ['redis'],
    patches: [
      patch(
        'redis-protocol/lua/renew.lua',
        'if holder == owners[i] then',
        "if not holder then redis.call('SET', KEYS[i], owners[i]) holder = owners[i] end\n  if holder == owners[i] then",
      ),
    ],
  },
  {
    name: 'Redis: a block of tokens is given again',
    backends: ['redis'],
    patches: [patch('redis-protocol/lua/tokens.lua', 'if previous > last - tokens then', 'if previous < 0 then')],
  },
  {
    name: 'Redis: a lock that is taken has no end',
    backends: ['redis'],
    patches: [
      patch(
        'redis-protocol/lua/usual-acquire.lua',
        "call('SET', lock, ARGV[1], 'NX', 'PX', lease)",
        "call('SET', lock, ARGV[1], 'NX')",
      ),
      patch(
        'redis-protocol/lua/acquire.lua',
        "call('SET', lock, asker, 'NX', 'PX', lease)",
        "call('SET', lock, asker, 'NX')",
      ),
    ],
  },
  {
    name: 'Redis: a grant that too few replicas have is not released',
    backends: ['redis'],
    patches: [
      patch(
        'redis-protocol/replica-acknowledgement.ts',
        'const sending = finished.get(hold.owner) ?? rollBack(state, hold);',
        'const sending = Promise.resolve();',
      ),
      patch('redis-protocol/replica-acknowledgement.ts', 'rollBack(state, hold).then(', 'Promise.resolve().then('),
    ],
  },
  {
    name: 'Redis: WAIT releases a newer hold of the same owner',
    backends: ['redis'],
    inClaims: true,
    patches: [
      patch(
        'redis-protocol/replica-acknowledgement.ts',
        'if (finished.has(attempt.owner)) return giveUp(attempt);\n    if (replicas',
        'if (replicas',
      ),
      patch('redis-protocol/replica-acknowledgement.ts', 'if (!isNewest())', 'if (attempt.owner === isNewest.name)'),
      patch('redis-protocol/replica-acknowledgement.ts', 'if (finished.has(owner)) return giveUp(attempt);', ''),
    ],
  },
  {
    name: 'Redis: numbers that come as text are not read',
    backends: ['redis'],
    patches: [
      patch(
        'redis-protocol/replies.ts',
        'if (text === undefined || !/^-?\\d{1,16}$/.test(text)) return undefined;',
        'if (text !== reply) return undefined;\n  return undefined;',
      ),
    ],
  },
  {
    name: 'Redlock: the lease counts from the answers',
    backends: ['redlock'],
    about: 'late answers',
    patches: [
      patch(
        'adapter-redlock/protocol/acquire.ts',
        'const validForMs = Math.min(end - this.#startedAt, ttlMs);',
        'const validForMs = Math.max(end - this.#startedAt, this.#means.context.clock.now() - this.#startedAt + ttlMs);',
      ),
    ],
  },
  {
    name: 'Redlock: one vote is enough',
    backends: ['redlock'],
    patches: [
      patch('adapter-redlock/protocol/round.ts', 'this.#yes >= this.#needed && this.#agreeOnToken()', 'this.#yes >= 1'),
    ],
  },
  {
    name: 'Redlock: a node whose name leads to another server has a second vote there',
    backends: ['redlock'],
    patches: [patch('adapter-redlock/server-identity.ts', 'if (other !== undefined && other !== i) return false;', '')],
  },
  {
    name: 'Redlock: a key whose tokens a clock far off has driven up is closed to the others',
    backends: ['redlock'],
    patches: [patch('adapter-redlock/protocol/token-proposals.ts', 'if (above >= first) return above + 1;', '')],
  },
  {
    name: 'Redlock: a vote that comes in late is kept',
    backends: ['redlock'],
    about: 'some servers that answer late',
    patches: [
      patch(
        'adapter-redlock/protocol/round.ts',
        'else if (this.#over || this.#missed[i]) this.#context.nodes[i]!.release(this.ballot);',
        '',
      ),
    ],
  },
  {
    name: 'Redis: text that comes as buffers is not read',
    backends: ['redis'],
    patches: [
      patch('redis-protocol/replies.ts', 'if (Buffer.isBuffer(reply)) return reply.toString();', ''),
      patch('redis-protocol/replies.ts', 'if (reply instanceof Uint8Array) return Buffer.from(reply).toString();', ''),
      patch('redis-protocol/clients/node-redis-command-options.ts', ', typeMapping: {} };', ' };'),
    ],
  },
  {
    name: 'guards: an older token is let through',
    backends: ['redis'],
    patches: [patch('guards/redis-script.ts', 'or (#stored == #token and stored > token) then', 'then')],
  },
  {
    name: 'guards: the holder of the newest token is refused its second write',
    backends: ['redis'],
    patches: [
      patch(
        'guards/redis-script.ts',
        'or (#stored == #token and stored > token) then',
        'or (#stored == #token and stored >= token) then',
      ),
    ],
  },
];
