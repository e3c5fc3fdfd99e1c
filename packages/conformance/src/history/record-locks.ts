import {
  type AcquireOptions,
  type Claim,
  isLockError,
  type Lock,
  type LockGroup,
  type Locks,
  type Semaphore,
  type SemaphoreOptions,
} from '@holdfast/lock-core';
import { type Notes, reasonOf } from './notes.ts';
import { overlay } from './overlay.ts';

/** How often the deadlines of the holds are looked at: the watchdog moves them unseen. */
const LOOK_EVERY_MS = 50;

/**
 * The locks with every acquire, downgrade, renewal, release and loss noted, of semaphores and groups too. A hold is one `Lock`;
 * reentrant ones share the owner. Of bodies only those of `using` are noted, and those of `lead`, which begin when they are asked for.
 */
export function recordLocks(notes: Notes, locks: Locks): Locks {
  const open = new Set<{ look(): void }>();
  let looking: NodeJS.Timeout | undefined;
  const watch = (entry: { look(): void }) => {
    open.add(entry);
    looking ??= setInterval(() => {
      for (const each of open) each.look();
    }, LOOK_EVERY_MS).unref();
  };
  const unwatch = (entry: { look(): void }) => {
    open.delete(entry);
    if (open.size > 0) return;
    clearInterval(looking);
    looking = undefined;
  };

  /** Until when the lock says that it is held; read the clock first, so that this is never too late. */
  const deadlineOf = (lock: Lock): number | undefined => {
    const now = notes.now();
    const { remainingMs } = lock;
    return remainingMs > 0 ? now + remainingMs : undefined;
  };

  const begin = (key: string, options: AcquireOptions | undefined) => {
    const call = { op: notes.nextId(), f: 'acquire', key, hold: notes.nextId(), owner: options?.owner?.id } as const;
    notes.note({ ...call, kind: 'invoke' });
    return call;
  };
  type Begun = ReturnType<typeof begin>;
  const failed = (call: Begun, error: unknown): void => {
    const busy = isLockError(error, 'LOCK_TIMEOUT');
    const definite = busy || (isLockError(error) && !error.retryable);
    notes.note({ ...call, kind: definite ? 'fail' : 'info', why: busy ? 'busy' : reasonOf(error) });
  };

  /** Notes the grant and all that becomes of it. */
  const granted = (call: Begun, lock: Lock, permits?: Claim): Lock => {
    const hold = { key: call.key, hold: call.hold, owner: lock.owner.id };
    const claim: Claim | undefined = lock.mode === 'shared' ? { mode: 'shared' } : permits;
    let deadline = deadlineOf(lock);
    // A lock that has no time left when it is given is not held for a moment.
    notes.note({ ...call, ...hold, kind: 'ok', claim, fence: lock.fencingToken, deadline: deadline ?? notes.now() });
    const entry = {
      look() {
        deadline = deadlineOf(lock) ?? deadline;
      },
    };
    const onLost = () => {
      // The signal of a leader also tells it to stop, and then it still holds.
      if (lock.state === 'held') return;
      unwatch(entry);
      notes.note({ ...hold, op: notes.nextId(), f: 'hold', kind: 'lost', deadline });
    };
    watch(entry);
    const { signal } = lock;
    if (signal.aborted) onLost();
    else signal.addEventListener('abort', onLost, { once: true });

    let releasing: Promise<'released' | 'lost'> | undefined;
    const release = async (): Promise<'released' | 'lost'> => {
      const op = { ...hold, op: notes.nextId(), f: 'release' } as const;
      unwatch(entry);
      signal.removeEventListener('abort', onLost);
      notes.note({ ...op, kind: 'invoke', deadline });
      const outcome = await lock.release();
      notes.note({ ...op, kind: outcome === 'released' ? 'ok' : 'fail' });
      return outcome;
    };
    const renew: Lock['renew'] = async (ttlMs) => {
      const op = { ...hold, op: notes.nextId(), f: 'renew' } as const;
      const sentAt = notes.now();
      notes.note({ ...op, t: sentAt, kind: 'invoke', deadline: ttlMs === undefined ? undefined : sentAt + ttlMs });
      try {
        await lock.renew(ttlMs);
      } catch (error) {
        notes.note({ ...op, kind: isLockError(error, 'LOCK_LOST') ? 'fail' : 'info', why: reasonOf(error) });
        throw error;
      }
      entry.look();
      notes.note({ ...op, kind: 'ok', deadline });
    };
    const downgrade = async (): Promise<void> => {
      const op = { ...hold, op: notes.nextId(), f: 'downgrade' } as const;
      notes.note({ ...op, kind: 'invoke' });
      try {
        await lock.downgrade();
      } catch (error) {
        notes.note({ ...op, kind: isLockError(error, 'LOCK_LOST') ? 'fail' : 'info', why: reasonOf(error) });
        throw error;
      }
      entry.look();
      notes.note({ ...op, kind: 'ok', deadline });
    };
    const releaseOnce = () => {
      releasing ??= release();
      return releasing;
    };
    const noted: Partial<Lock> = {
      renew,
      downgrade,
      release: releaseOnce,
      [Symbol.asyncDispose]: async () => void (await releaseOnce()),
    };
    return overlay(lock, noted);
  };

  /** Awaits what one call gives, and notes what became of each of `calls`: all are granted, or none is. */
  const settled = async <T>(calls: readonly Begun[], asked: Promise<T>): Promise<T> => {
    const given = await asked.catch((error: unknown) => {
      for (const call of calls) failed(call, error);
      throw error;
    });
    if (given === undefined) for (const call of calls) notes.note({ ...call, kind: 'fail', why: 'busy' });
    return given;
  };
  const notedGroup = (calls: readonly Begun[], group: LockGroup): LockGroup => {
    const locks = group.locks.map((lock) => granted(calls.find(({ key }) => key === lock.key) as Begun, lock));
    const release = async (): Promise<'released' | 'lost'> => {
      await Promise.all(locks.map((lock) => lock.release()));
      return group.release();
    };
    return overlay(group, { locks, release, [Symbol.asyncDispose]: async () => void (await release()) });
  };
  const notedSemaphore = (semaphore: Semaphore): Semaphore => {
    const { key, limit } = semaphore;
    const claimOf = (options: SemaphoreOptions = {}): Claim => ({
      mode: 'permits',
      permits: options.permits ?? 1,
      limit,
    });
    return overlay(semaphore, {
      async acquire(options) {
        const call = begin(key, options);
        return granted(call, await settled([call], semaphore.acquire(options)), claimOf(options));
      },
      async tryAcquire(options) {
        const call = begin(key, options);
        const lock = await settled([call], semaphore.tryAcquire(options));
        return lock && granted(call, lock, claimOf(options));
      },
    });
  };

  const noted: Partial<Locks> = {
    async acquire(key, options) {
      const call = begin(key, options);
      return granted(call, await settled([call], locks.acquire(key, options)));
    },
    async tryAcquire(key, options) {
      const call = begin(key, options);
      const lock = await settled([call], locks.tryAcquire(key, options));
      return lock && granted(call, lock);
    },
    semaphore: (key, limit) => notedSemaphore(locks.semaphore(key, limit)),
    async acquireAll(keys, options) {
      const calls = [...new Set(keys)].map((key) => begin(key, options));
      return notedGroup(calls, await settled(calls, locks.acquireAll(keys, options)));
    },
    async tryAcquireAll(keys, options) {
      const calls = [...new Set(keys)].map((key) => begin(key, options));
      const group = await settled(calls, locks.tryAcquireAll(keys, options));
      return group && notedGroup(calls, group);
    },
    async using<T>(
      key: string,
      ...rest: [(lock: Lock) => T | Promise<T>] | [AcquireOptions, (lock: Lock) => T | Promise<T>]
    ): Promise<T> {
      const body = rest.at(-1) as (lock: Lock) => T | Promise<T>;
      const options = rest.length === 2 ? rest[0] : {};
      const call = begin(key, options);
      let entered = false;
      try {
        return await locks.using(key, options, async (lock) => {
          entered = true;
          const seen = granted(call, lock);
          try {
            return await body(seen);
          } finally {
            await seen.release();
          }
        });
      } catch (error) {
        if (!entered) failed(call, error);
        throw error;
      }
    },
    lead: (key, body, options) =>
      locks.lead(
        key,
        async (term) => {
          // Only noted: the term is released by `lead`, which looks first whether it was lost.
          const seen = granted(begin(key, options), overlay(term, { release: async () => 'released' }));
          try {
            await body(seen);
          } finally {
            await seen.release();
          }
        },
        options,
      ),
  };
  return overlay(locks, noted);
}
