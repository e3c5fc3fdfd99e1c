import { patch, type Regression } from './regression.ts';

/** Faults of lock-core. */
export const coreRegressions: readonly Regression[] = [
  {
    name: 'a forced release is repeated without the owner it is for',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/inspect.ts',
        'owner === undefined ? adapter.forceRelease?.(key) : adapter.forceRelease?.(key, owner);',
        'adapter.forceRelease?.(key);',
      ),
      patch(
        'lock-core/inspect.ts',
        'if (!mayHold(await lookUp(context, key), owner)) return true;',
        'if ((await lookUp(context, key)) === undefined) return true;',
      ),
    ],
  },
  {
    name: 'the clean-up ends with the first answer',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/orphan-cleanup.ts',
        "const covered = unansweredAtSend === 0 || (outcome === 'released' && unansweredAtSend === 1 && !isOfAnother);",
        'const covered = unansweredAtSend >= 0 && outcome !== undefined;',
      ),
    ],
  },
  {
    name: 'the clean-up gives up after its first failure',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/orphan-cleanup.ts',
        "if (this.#now() >= orphan.giveUpAt) return this.#end(orphan, 'given-up');",
        "return this.#end(orphan, 'given-up');",
      ),
    ],
  },
  {
    name: 'siblings in one body re-enter the hold of each other',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/owner.ts',
        'return scope?.explicit ? scope.owner : new Owner(undefined, scope);',
        'return scope !== undefined ? scope.owner : new Owner(undefined, scope);',
      ),
    ],
  },
  {
    name: 'a lease counts from the answer',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/watchdog.ts',
        'leaseDeadline(sentAt, grant.validForMs -',
        'leaseDeadline(now, grant.validForMs -',
      ),
    ],
  },
  {
    name: 'a renewed lease counts from the answer',
    backends: ['memory'],
    patches: [patch('lock-core/renewals.ts', 'leaseDeadline(sent.at, validForMs,', 'leaseDeadline(now, validForMs,')],
  },
  {
    name: 'a grant that comes after its own lease is taken',
    backends: ['memory'],
    patches: [patch('lock-core/watchdog.ts', 'if (deadline <= now) return false;', '')],
  },
  {
    name: 'a shorter renewal counts only once it is answered',
    backends: ['memory'],
    patches: [patch('lock-core/watchdog.ts', 'if (leaseMs < lease.renewMs) this.#shorten(lease, leaseMs);', '')],
  },
  {
    name: 'a shorter renewal without an answer is forgotten by the next longer one',
    backends: ['memory'],
    patches: [patch('lock-core/renewals.ts', 'Math.min(promisedMs, this.#certainMs(sent, lease, now))', 'promisedMs')],
  },
  {
    name: 'an unanswered release is not followed up',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/release.ts',
        "cleanup.add(lease);\n    tell(context, lease, hold, 'unknown', now);",
        "tell(context, lease, hold, 'unknown', now);",
      ),
    ],
  },
  {
    name: 'a late grant is kept by nobody',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/polling-queue.ts',
        'if (lease.unanswered > 0 || lease.granted) this.context.cleanup.add(lease);',
        '',
      ),
    ],
  },
  {
    name: 'a caller that gives up leaves its request unanswered',
    backends: ['memory'],
    patches: [patch('lock-core/polling-queue.ts', 'if (lease.unanswered > 0) this.context.cleanup.add(lease);', '')],
  },
  {
    name: 'a lost wake-up: after a release the next waiter of the process is not asked to go on',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/release.ts',
        'if (keyState?.removeLease(lease)) letNextAsk(context, keyState, outcome, now);',
        'keyState?.removeLease(lease);',
      ),
    ],
  },
  {
    name: 'a hold that is passed on keeps its fencing token',
    backends: ['redis', 'memory'],
    patches: [patch('lock-core/lease.ts', 'this.token += 1n;', '')],
  },
  {
    name: 'a hold is passed on after its lease',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/release.ts',
        'if (!fits || lease.deadline - now <= lease.renewMs / 2) return false;',
        'if (!fits) return false;\n  lease.deadline = now + lease.renewMs;',
      ),
    ],
  },
  {
    name: 'a sleep of the machine is not counted',
    backends: ['memory'],
    patches: [
      patch('lock-core/release.ts', 'const sleptMs = lease.countSleep(clock.wallNow() - now);', 'const sleptMs = 0;'),
    ],
  },
  {
    name: 'a place in the queue is not given up when its caller goes',
    backends: ['memory'],
    patches: [
      patch('lock-core/waiting.ts', 'withdrawal.abort(withdrawn);', ''),
      patch(
        'lock-core/waiting.ts',
        'const cleanUp = (): void => cleanup.add(lease);',
        'const cleanUp = (): void => {};',
      ),
    ],
  },
  {
    name: 'an enqueue has no time-out',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/backend-queue.ts',
        'return Math.min(Math.max(this.waitUntil, attemptUntil), unansweredFrom + settings.backendTimeoutMs);',
        'return attemptUntil + Number.POSITIVE_INFINITY;',
      ),
    ],
  },
  {
    name: 'a caller that aborts stays in the queue',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/acquire.ts',
        'fail(context, keyState, acquisition, signal.reason);',
        'acquisition.reject(signal.reason);',
      ),
    ],
  },
  {
    name: 'an acquire that arrives behind the release of its owner stays',
    backends: ['memory'],
    patches: [
      patch('lock-core/release.ts', 'if (lease.unanswered > 0) cleanup.add(lease);\n    if (reply', 'if (reply'),
    ],
  },
  {
    name: 'a renewal without an answer is not repeated in time',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/renewals.ts',
        'const withinMs = Math.min(attemptTimeout(settings, ttlMs), ttlMs / 6);',
        'const withinMs = Number.MAX_SAFE_INTEGER;',
      ),
    ],
  },
  {
    name: 'a clean-up that is to be repeated later spins',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/orphan-cleanup.ts',
        'if (orphan.asking || this.#inFlight >= mostAtOnce) this.#retryLater(orphan);',
        'if (orphan.asking) this.#timers.set(orphan, 0);',
      ),
    ],
  },
  {
    name: 'several keys of which one is busy: those before it are kept',
    backends: ['memory'],
    patches: [
      patch('lock-core/lock-group.ts', 'await group.release();\n          return undefined;', 'return undefined;'),
    ],
  },
  {
    name: 'a leader that lost its term campaigns again while its body runs',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/locks.ts',
        'await body(term);',
        "await Promise.race([body(term), new Promise((resolve) => term.signal.addEventListener('abort', resolve))]);",
      ),
    ],
  },
  {
    name: 'a hold that is lost is freed in the backend while its grace lasts',
    backends: ['memory'],
    patches: [
      patch(
        'lock-core/release.ts',
        "const isKept = backend === 'is to keep it for the grace' && lease.graceMs > 0;",
        'const isKept = false;',
      ),
    ],
  },
  {
    name: 'a renewal does not ask for the grace',
    backends: ['memory'],
    patches: [patch('lock-core/renewals.ts', 'const askedMs = ttlMs + only.graceMs;', 'const askedMs = ttlMs;')],
  },
];
