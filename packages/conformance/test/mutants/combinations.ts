import type { AcquireAttempt, Capabilities, LockAdapter } from '@holdfast/lock-core';
import { memoryAdapter, memoryStore } from '../../../adapter-memory/src/index.ts';
import type { Harness } from '../../src/index.ts';

const ENDLESS_MS = 1e12;
const both = [true, false] as const;
const waits = ['queue', 'hints', 'polling'] as const;
const expiries = ['ttl', 'session'] as const;

/** The same adapter, but its holds end with their session only, so never by themselves. */
function endless(right: LockAdapter): LockAdapter {
  const forEver = (attempt: AcquireAttempt): AcquireAttempt => ({
    ...attempt,
    ttlMs: ENDLESS_MS,
    onQueued: () => attempt.onQueued?.(),
  });
  const { enqueue, inspect } = right;
  return {
    ...right,
    async tryAcquire(attempt) {
      const outcome = await right.tryAcquire(forEver(attempt));
      return outcome.status === 'busy' ? { status: 'busy' } : { ...outcome, validForMs: attempt.ttlMs };
    },
    async renew(hold, ttlMs) {
      const outcome = await right.renew(hold, ENDLESS_MS);
      return outcome.status === 'lost' ? outcome : { ...outcome, validForMs: ttlMs };
    },
    renewMany: undefined,
    enqueue:
      enqueue &&
      (async (attempt, signal) => {
        const calledAt = performance.now();
        const granted = await enqueue(forEver(attempt), signal);
        return { ...granted, validForMs: performance.now() - calledAt + attempt.ttlMs };
      }),
    inspect:
      inspect &&
      (async (key) => {
        const info = await inspect(key);
        return info && { ...info, remainingMs: undefined };
      }),
  };
}

/** The reference, the memory adapter, with every combination of what an adapter may declare and of what it may leave out. */
export function combinations(): Harness[] {
  const harnesses: Harness[] = [];
  for (const fencing of both)
    for (const wait of waits)
      for (const expiry of expiries)
        for (const survivesFailover of both)
          for (const crossProcess of both)
            for (const bare of both) {
              const flags = { fencing, expiry, survivesFailover, crossProcess };
              harnesses.push(combination(flags, wait, bare));
            }
  return harnesses;
}

function combination(
  flags: Pick<Capabilities, 'fencing' | 'expiry' | 'survivesFailover' | 'crossProcess'>,
  wait: (typeof waits)[number],
  bare: boolean,
): Harness {
  const store = memoryStore();
  const make = () => memoryAdapter({ store, fencing: flags.fencing, fairness: wait === 'queue' ? 'fifo' : 'none' });
  const operator = make();
  const capabilities: Capabilities = {
    ...operator.capabilities,
    ...flags,
    wakeup: wait === 'polling' ? 'poll' : 'push',
  };
  const adapter = async (): Promise<LockAdapter> => {
    const right = make();
    const limited = flags.expiry === 'session' ? endless(right) : right;
    return {
      ...limited,
      capabilities,
      ...(wait === 'polling' && { whenFree: undefined }),
      ...(bare && { inspect: undefined, keys: undefined, forceRelease: undefined, renewMany: undefined }),
    };
  };
  const named = Object.entries(flags).map(([name, value]) => `${name} ${value}`);
  return {
    name: [...named, wait, ...(bare ? ['without inspect, keys, forceRelease, renewMany'] : [])].join(', '),
    capabilities,
    adapter,
    hooks: { revoke: async (key) => void (await operator.forceRelease?.(key)) },
  };
}
