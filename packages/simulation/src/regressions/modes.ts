import { patch, type Regression } from './regression.ts';

/** Faults of shared locks and semaphores, in core and in the reference implementation of the grant rule. */
export const modeRegressions: readonly Regression[] = [
  {
    name: 'memory: a reader is let in beside a writer',
    backends: ['memory'],
    patches: [
      patch(
        'adapter-memory/store.ts',
        "return claim.mode === 'shared' && entry.mode === 'shared';",
        "return claim.mode === 'shared';",
      ),
    ],
  },
  {
    name: 'memory: a large request gets more permits than there are',
    backends: ['memory'],
    patches: [
      patch(
        'adapter-memory/store.ts',
        'return entry.used + claim.permits <= claim.limit;',
        'return entry.used < claim.limit;',
      ),
    ],
  },
  {
    name: 'a reader joins an exclusive lease',
    backends: ['memory'],
    patches: [
      patch('lock-core/context.ts', 'if (lease?.readers === undefined ||', 'if (lease === undefined ||'),
      patch(
        'lock-core/context.ts',
        '|| keyState.exclusive !== undefined || context.closed) return;',
        '|| context.closed) return;',
      ),
    ],
  },
  {
    name: 'the first reader that leaves releases the lease of all',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/release.ts',
        'if (lease.readers !== undefined && !lease.part(hold)) {',
        'if (lease.readers !== undefined && lease.part(hold) && lease.over) {',
      ),
    ],
  },
  {
    name: 'a downgraded lock is still believed to be exclusive',
    backends: ['memory'],
    patches: [patch('lock-core/watchdog.ts', 'lease.share();', '')],
  },
  {
    name: 'a lock that is re-entered while its downgrade waits for a renewal is downgraded',
    backends: ['memory'],
    about: 'nesting',
    patches: [
      patch(
        'lock-core/watchdog.ts',
        '        checkAlone(hold);\n        // The backend may let',
        '        // The backend may let',
      ),
    ],
  },
  {
    name: 'the grace of a reader that ends by itself is cut short by the release of another one',
    backends: ['memory', 'redis'],
    about: 'readers with a grace',
    patches: [patch('lock-core/release.ts', 'now < lease.keepUntil;', 'false;')],
  },
  {
    name: 'a hold that ends by its maxHoldMs has no grace',
    backends: ['memory', 'redis'],
    patches: [
      patch(
        'lock-core/release.ts',
        "return loseLease(context, lease, error, 'is to keep it for the grace');\n    }\n    lease.part",
        "return loseLease(context, lease, error, isTooLong ? 'may still hold it' : 'is to keep it for the grace');\n    }\n    lease.part",
      ),
    ],
  },
  {
    name: 'permits pass on to a larger request',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/lease.ts',
        'one.mode === other.mode && permitsOf(one) === permitsOf(other);',
        'one.mode === other.mode;',
      ),
    ],
  },
  {
    name: 'the place of a reader passes on to a writer',
    backends: ['memory'],
    patches: [patch('lock-core/backend-queue.ts', '|| !isSameClaim(claim, place.lease.claim))', ')')],
  },
  {
    name: 'a place is not passed on, and nobody withdraws it',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/backend-queue.ts',
        'if (place === undefined || this.passOn(place)) return;',
        'if (place === undefined || place.lease.queued) return;',
      ),
    ],
  },
  {
    name: 'the next waiter of a process does not queue again after a real release',
    backends: ['memory'],
    patches: [patch('lock-core/waiting.ts', 'else advance(context, keyState, now);', '')],
  },
];
