import { type MemoryStore, memoryAdapter, memoryStore } from '../../../adapter-memory/src/index.ts';
import type { LockAdapter } from '../../src/index.ts';
import type { ManualClock } from '../../src/testing.ts';

/** What becomes of one call on its way to the backend and back. */
export type Fate =
  | 'ok'
  | 'request lost'
  | 'reply lost'
  | 'rejected before'
  | 'rejected after'
  | { replyAfterMs: number }
  | { arrivesAfterMs: number; reply?: 'lost' };

type Operation =
  | 'tryAcquire'
  | 'renew'
  | 'renewMany'
  | 'release'
  | 'inspect'
  | 'forceRelease'
  | 'enqueue'
  | 'downgrade';

export interface FaultyAdapter extends LockAdapter {
  readonly calls: { operation: Operation; key: string; owner: string; at: number }[];
  /** The fates of the next calls of this operation; after them `otherwise`. */
  next(operation: Operation, ...fates: Fate[]): void;
  otherwise(operation: Operation, fate: Fate): void;
  count(operation: Operation): number;
  /** The backend itself, past all faults. */
  readonly backend: LockAdapter;
}

const never = new Promise<never>(() => {});

/** The memory adapter behind a network with faults, on a clock that stands still until it is moved. */
export function faultyAdapter(
  clock: ManualClock,
  options: { fairness?: 'fifo' | 'none'; store?: MemoryStore; omit?: (keyof LockAdapter)[]; fencing?: boolean } = {},
): FaultyAdapter {
  const { fairness = 'none', store = memoryStore(), omit = [], fencing = true } = options;
  const inner = memoryAdapter({ store, fairness, fencing, clock });
  const queues = new Map<Operation, Fate[]>();
  const defaults = new Map<Operation, Fate>();
  const calls: FaultyAdapter['calls'] = [];
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimeout(resolve, ms));

  async function through<T>(
    operation: Operation,
    about: { key: string; owner?: string },
    call: () => Promise<T>,
  ): Promise<T> {
    calls.push({ operation, key: about.key, owner: about.owner ?? '', at: clock.now() });
    const fate = queues.get(operation)?.shift() ?? defaults.get(operation) ?? 'ok';
    if (fate === 'ok') return call();
    if (fate === 'request lost') return never;
    if (fate === 'rejected before') throw new Error('connection refused');
    if (typeof fate === 'object' && 'arrivesAfterMs' in fate) {
      await sleep(fate.arrivesAfterMs);
      const late = await call();
      return fate.reply === 'lost' ? never : late;
    }
    const answer = await call();
    if (fate === 'reply lost') return never;
    if (fate === 'rejected after') throw new Error('connection reset');
    await sleep(fate.replyAfterMs);
    return answer;
  }

  const adapter: FaultyAdapter = {
    name: 'faulty',
    capabilities: inner.capabilities,
    backend: inner,
    calls,
    next: (operation, ...fates) => void queues.set(operation, [...(queues.get(operation) ?? []), ...fates]),
    otherwise: (operation, fate) => void defaults.set(operation, fate),
    count: (operation) => calls.filter((call) => call.operation === operation).length,
    tryAcquire: (attempt) => through('tryAcquire', attempt, () => inner.tryAcquire(attempt)),
    renew: (hold, ttlMs) => through('renew', hold, () => inner.renew(hold, ttlMs)),
    release: (hold) => through('release', hold, () => inner.release(hold)),
    renewMany: (holds, ttlMs) =>
      through('renewMany', { key: holds.map((hold) => hold.key).join(' ') }, async () =>
        Promise.all(holds.map((hold) => inner.renew(hold, ttlMs))),
      ),
    inspect: (key) => through('inspect', { key }, async () => inner.inspect?.(key)),
    forceRelease: (key, owner) =>
      through('forceRelease', { key }, async () => (await inner.forceRelease?.(key, owner)) ?? false),
    close: async () => inner.close?.(),
  };
  const { enqueue, whenFree, downgrade } = inner;
  if (downgrade !== undefined) {
    adapter.downgrade = (hold, ttlMs) => through('downgrade', hold, () => downgrade.call(inner, hold, ttlMs));
  }
  if (enqueue !== undefined) {
    adapter.enqueue = (attempt, signal) => through('enqueue', attempt, () => enqueue.call(inner, attempt, signal));
  }
  if (whenFree !== undefined) adapter.whenFree = (key, signal) => whenFree.call(inner, key, signal);
  for (const name of omit) delete (adapter as Partial<Record<keyof LockAdapter, unknown>>)[name];
  return adapter;
}
