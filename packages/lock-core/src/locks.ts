import { sharedController } from './abort-signals.ts';
import { Acquirer, type Body, checkGraceSupport } from './acquire.ts';
import { checkAdapter } from './adapter-replies.ts';
import type { AcquireOptions, Locks, LocksOptions } from './api.ts';
import { callWithTimeout } from './backend-call.ts';
import { type Context, createContext, fail } from './context.ts';
import { closed, lost } from './errors.ts';
import { forceRelease, inspectLock, listLocks } from './inspect.ts';
import { lead } from './lead.ts';
import type { LockAdapter } from './lock-adapter.ts';
import { type GroupBody, Groups } from './lock-group.ts';
import { attemptTimeout, optionsAndBody, resolveSettings } from './options.ts';
import { Owner } from './owner.ts';
import { keepProcessAlive, pendingAcquisitions } from './process-keepalive.ts';
import { loseLease } from './release.ts';
import { openSemaphore } from './semaphore.ts';
import { watchLock } from './watch.ts';
import { Watchdog } from './watchdog.ts';

/**
 * The locks of one backend, through its adapter.
 *
 * @throws LockError LOCK_INVALID_ARGUMENT for anything that is not an adapter, and for an option that does not exist or is out
 * of range
 */
export function createLocks(adapter: LockAdapter, options?: LocksOptions): Locks {
  checkAdapter(adapter);
  const context = createContext(adapter, resolveSettings(options));
  checkGraceSupport(adapter, context.settings.defaults.graceMs);
  const acquirer = new Acquirer(context, new Watchdog(context));
  const groups = new Groups(context, acquirer);
  const watching = sharedController();
  let closing: Promise<void> | undefined;
  return {
    adapter: { name: adapter.name, capabilities: adapter.capabilities },
    acquire: (key, options) => acquirer.acquire(key, options),
    tryAcquire: (key, options) => acquirer.tryAcquire(key, options),
    async using<T>(key: string, ...given: [AcquireOptions | Body<T>, Body<T>?]): Promise<T> {
      const [options, body] = optionsAndBody<AcquireOptions, Body<T>>('using', given, 'key, ');
      return acquirer.using(key, options, body);
    },
    semaphore: (key, limit) => openSemaphore(context, acquirer, key, limit),
    acquireAll: (keys, options) => groups.acquire(keys, options),
    tryAcquireAll: (keys, options) => groups.tryAcquire(keys, options),
    async usingAll<T>(keys: readonly string[], ...given: [AcquireOptions | GroupBody<T>, GroupBody<T>?]): Promise<T> {
      const [options, body] = optionsAndBody<AcquireOptions, GroupBody<T>>('usingAll', given, 'keys, ');
      return groups.using(keys, options, body);
    },
    lead: (key, body, options) => lead(context, acquirer, key, body, options),
    watch: (key, options) => watchLock(context, key, options, watching.signal),
    createOwner: (label) => new Owner(label, undefined),
    inspect: (key) => inspectLock(context, key),
    list: (pattern) => listLocks(context, pattern),
    forceRelease: (key, owner) => forceRelease(context, key, owner),
    close() {
      if (closing === undefined) {
        closing = closeLocks(context);
        watching.abort();
      }
      return closing;
    },
    async [Symbol.asyncDispose]() {
      await this.close();
    },
  };
}

/**
 * Fails the waiters, releases what is held, waits for the clean-up as long as an answer may take, and closes what the adapter
 * opened. Never rejects, and ends in bounded time when the backend is down.
 */
async function closeLocks(context: Context): Promise<void> {
  const { adapter, cleanup, keys, settings, singleAttempts, timers } = context;
  context.closed = true;
  for (const acquisition of [...pendingAcquisitions(keys, singleAttempts)]) {
    const keyState = keys.get(acquisition.key);
    if (keyState !== undefined) fail(context, keyState, acquisition, closed(acquisition.key));
  }
  context.keepalive.close();
  cleanup.hurry();
  for (const lease of [...keys.values()].flatMap((keyState) => keyState.leases())) {
    loseLease(context, lease, lost(lease.key, adapter.name, 'these locks were closed'), 'may still hold it');
  }
  // Until the releases have been sent the process must not end, though nothing else keeps it alive.
  const stopKeeping = keepProcessAlive();
  const withinMs = attemptTimeout(settings, settings.defaults.ttlMs);
  const bounded = (call: () => Promise<void>): Promise<void> =>
    callWithTimeout(timers, settings.clock.now(), withinMs, call).catch(() => {});
  await bounded(() => cleanup.drained());
  cleanup.close();
  await bounded(async () => adapter.close?.());
  timers.close();
  stopKeeping();
}
