import { Waiter } from './acquisition.ts';
import { reenter } from './admit.ts';
import type { AcquireOptions, Lock, LockOwner, Locks, LocksOptions } from './api.ts';
import { assemble } from './assemble.ts';
import { closeLocks } from './close.ts';
import { channels } from './diagnostics.ts';
import { closed, lost, selfDeadlock, timedOut, unsupported } from './failures.ts';
import { expireIfDue } from './held-lock.ts';
import type { Hold } from './hold.ts';
import { insist } from './insist.ts';
import { listLocks } from './inspect.ts';
import { KeyState } from './key-state.ts';
import type { LockAdapter } from './lock-adapter.ts';
import { checkKey, resolveSettings, resolveTerms, type Terms } from './options.ts';
import { contextOwner, isWithin, Owner } from './owner.ts';
import { AcquireRequest } from './request.ts';
import { tellFailure } from './tell-failure.ts';

/** What an async function does with an error, without its extra promises. */
function asPromise<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call();
  } catch (error) {
    return Promise.reject(error);
  }
}

type Body<T> = (lock: Lock) => T | Promise<T>;

/**
 * The locks of one backend, through its adapter.
 *
 * @throws LockError LOCK_INVALID_ARGUMENT for an option that does not exist or is out of range
 */
export function createLocks(adapter: LockAdapter, options?: LocksOptions): Locks {
  const settings = resolveSettings(options);
  const { core, contention, nativeQueue } = assemble(adapter, settings);
  const { keys } = core;
  const now = settings.clock.now;
  let closing: Promise<void> | undefined;

  /** Starts one acquisition; `once` for a single answer. Throws what can be told at once. */
  function start(key: string, terms: Terms, owner: LockOwner, once: boolean): Promise<Lock | undefined> {
    if (core.closed) throw closed(key);
    terms.signal?.throwIfAborted();
    const held = keys.get(key)?.hold;
    if (held !== undefined) expireIfDue(core, held);
    let keyState = keys.get(key);
    if (keyState === undefined) {
      keyState = new KeyState(key);
      keys.set(key, keyState);
    }
    const { hold } = keyState;
    const at = now();
    const onTime = nativeQueue === undefined || once ? contention.onTime : nativeQueue.onTime;
    const waiter = new Waiter(key, owner, terms, once, new AcquireRequest(key, terms.ttlMs), at, onTime);
    if (channels.acquire.hasSubscribers) {
      channels.acquire.publish({
        adapter: adapter.name,
        key,
        acquisition: waiter.acquisition,
        owner: waiter.request.owner,
        waitMs: once ? 0 : terms.waitMs,
      });
    }
    if (!channels.fail.hasSubscribers) return proceed(keyState, hold, waiter, at);
    return tellFailure(adapter.name, waiter, now, () => proceed(keyState, hold, waiter, at));
  }

  /** Sends a new waiter on his way. */
  function proceed(keyState: KeyState, hold: Hold | undefined, waiter: Waiter, at: number): Promise<Lock | undefined> {
    const { key, owner, terms, once } = waiter;
    if (hold !== undefined && isWithin(owner, hold.owner)) {
      if (!terms.reentrant) throw selfDeadlock(key);
      return Promise.resolve(reenter(core, hold, waiter, at));
    }
    // What this process holds is busy without asking.
    if (once && hold !== undefined) return Promise.resolve(undefined);
    const { signal } = terms;
    if (signal !== undefined) {
      waiter.stopListening = core.aborts.listen(signal, () => {
        core.leave(keyState, waiter, now());
        waiter.reject(signal.reason);
      });
    }
    if (once) contention.askOnce(keyState, waiter, at);
    else if (nativeQueue !== undefined) nativeQueue.enter(keyState, waiter);
    else contention.enter(keyState, waiter, at);
    return waiter.promise;
  }

  function terms(key: string, options: AcquireOptions | undefined): Terms {
    checkKey(key);
    return resolveTerms(settings.defaults, options);
  }

  const ownerOf = (terms: Terms): LockOwner => terms.owner ?? contextOwner() ?? new Owner(undefined, undefined);

  function acquireAs(key: string, terms: Terms, owner: LockOwner): Promise<Lock> {
    // Without `once` a waiter is never resolved without a lock.
    if (terms.waitMs > 0) return start(key, terms, owner, false) as Promise<Lock>;
    return start(key, terms, owner, true).then((lock) => {
      if (lock === undefined) throw timedOut(key, adapter.name, 0);
      return lock;
    });
  }

  async function using<T>(key: string, options: AcquireOptions | undefined, body: Body<T>): Promise<T> {
    const checked = terms(key, options);
    // An identity of its own, inside the context's one: what is nested in the body re-enters, what runs beside it does not.
    const owner = checked.owner ?? new Owner(undefined, contextOwner());
    const lock = await acquireAs(key, checked, owner);
    try {
      return await owner.run(() => body(lock));
    } finally {
      // Never rejects, so it hides neither the body's result nor its error (H56).
      await lock.release();
    }
  }

  return {
    adapter: { name: adapter.name, capabilities: adapter.capabilities },
    acquire(key, options) {
      return asPromise(() => {
        const checked = terms(key, options);
        return acquireAs(key, checked, ownerOf(checked));
      });
    },
    tryAcquire(key, options) {
      return asPromise(() => {
        const checked = terms(key, options);
        return start(key, checked, ownerOf(checked), true);
      });
    },
    using<T>(key: string, options: AcquireOptions | Body<T>, body?: Body<T>): Promise<T> {
      return typeof options === 'function' ? using(key, undefined, options) : using(key, options, body as Body<T>);
    },
    createOwner: (label) => new Owner(label, undefined),
    async inspect(key) {
      checkKey(key);
      const { inspect } = adapter;
      if (inspect === undefined) throw unsupported(adapter.name, 'way to inspect a lock');
      return insist(core, key, () => inspect.call(adapter, key));
    },
    list: (pattern) => listLocks(core, pattern),
    async forceRelease(key) {
      checkKey(key);
      const { forceRelease } = adapter;
      if (forceRelease === undefined) throw unsupported(adapter.name, 'way to release a lock by force');
      // A holder of this process is told before anybody else can have the lock.
      const hold = keys.get(key)?.hold;
      if (hold !== undefined) core.lose(hold, lost(key, adapter.name, 'it was released by force'), 'is free of it');
      try {
        return await insist(core, key, () => forceRelease.call(adapter, key));
      } catch (error) {
        if (hold !== undefined) core.reaper.add(hold.lease.request);
        throw error;
      }
    },
    close() {
      closing ??= closeLocks(core);
      return closing;
    },
    async [Symbol.asyncDispose]() {
      await this.close();
    },
  };
}
