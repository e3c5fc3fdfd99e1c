import { onceAborted } from './abort-signals.ts';
import type { Acquisition } from './acquisition.ts';
import type { AcquireOptions, Lock, LockOwner } from './api.ts';
import { QueuedAcquisition } from './backend-queue.ts';
import { type Context, fail, reenter } from './context.ts';
import { channels } from './diagnostics.ts';
import { closed, isLockError, selfDeadlock, timedOut } from './errors.ts';
import type { Hold } from './hold.ts';
import { KeyState } from './key-state.ts';
import { checkKey, type ResolvedOptions, resolveOptions } from './options.ts';
import { bodyOwner, contextOwner, isWithin, runBody } from './owner.ts';
import { PollingAcquisition } from './polling-queue.ts';
import { expireIfDue } from './release.ts';
import type { Watchdog } from './watchdog.ts';

export type Body<T> = (lock: Lock) => T | Promise<T>;

/** The acquires of one `Locks`: from the call to the lock, re-entry included. */
export class Acquirer {
  private readonly context: Context;
  private readonly watchdog: Watchdog;

  constructor(context: Context, watchdog: Watchdog) {
    this.context = context;
    this.watchdog = watchdog;
  }

  /** Waits for the lock. Throws what can be said at once. */
  acquire(key: string, options: AcquireOptions | undefined): Promise<Lock> {
    checkKey(key);
    const resolved = resolveOptions(this.context.settings.defaults, options);
    return this.acquireAs(key, resolved, resolved.owner ?? contextOwner());
  }

  /** A single attempt. Throws what can be said at once. */
  tryAcquire(key: string, options: AcquireOptions | undefined): Promise<Lock | undefined> {
    checkKey(key);
    const resolved = resolveOptions(this.context.settings.defaults, options);
    return this.start(key, resolved, resolved.owner ?? contextOwner(), true);
  }

  async using<T>(key: string, options: AcquireOptions | undefined, body: Body<T>): Promise<T> {
    checkKey(key);
    const resolved = resolveOptions(this.context.settings.defaults, options);
    const owner = resolved.owner ?? bodyOwner();
    return runBody(owner, await this.acquireAs(key, resolved, owner), body);
  }

  private acquireAs(key: string, options: ResolvedOptions, owner: LockOwner): Promise<Lock> {
    // Without `once` an acquisition is never resolved without a lock.
    if (options.waitMs > 0) return this.start(key, options, owner, false) as Promise<Lock>;
    return this.start(key, options, owner, true).then((lock) => {
      if (lock === undefined) throw timedOut(key, this.context.adapter.name, 0);
      return lock;
    });
  }

  private start(key: string, options: ResolvedOptions, owner: LockOwner, once: boolean): Promise<Lock | undefined> {
    const context = this.context;
    const known = context.keys.get(key);
    // Its listeners may close these locks, or abort.
    if (known?.hold !== undefined) expireIfDue(context, known.hold);
    if (context.closed) throw closed(key);
    options.signal?.throwIfAborted();
    const standing = context.keys.get(key);
    const keyState = standing ?? new KeyState(key);
    const now = context.settings.clock.now();
    const acquisition =
      once || context.adapter.enqueue === undefined
        ? new PollingAcquisition(context, this.watchdog, keyState, owner, options, once, now)
        : new QueuedAcquisition(context, this.watchdog, keyState, owner, options, now);
    if (channels.acquire.hasSubscribers) {
      tellAcquire(context, acquisition);
      // A subscriber may have closed these locks, or aborted.
      if (context.closed) throw closed(key);
      options.signal?.throwIfAborted();
      context.keys.set(key, keyState);
    } else if (standing === undefined) context.keys.set(key, keyState);
    if (!channels.fail.hasSubscribers) return this.proceed(acquisition, keyState, now);
    return tellingFailure(context, acquisition, () => this.proceed(acquisition, keyState, now));
  }

  /** Re-enters the owner's own hold, or starts to ask the backend. */
  private proceed(
    acquisition: PollingAcquisition | QueuedAcquisition,
    keyState: KeyState,
    now: number,
  ): Promise<Lock | undefined> {
    const { hold } = keyState;
    if (hold !== undefined) {
      if (isWithin(acquisition.owner, hold.owner)) return this.reenter(acquisition, hold, now);
      // What this process holds is busy without asking.
      if (acquisition.once) return Promise.resolve(undefined);
    }
    const { signal } = acquisition.options;
    if (signal !== undefined) this.leaveOnAbort(signal, acquisition, keyState);
    acquisition.start(now);
    return acquisition.promise;
  }

  private reenter(acquisition: Acquisition, hold: Hold, now: number): Promise<Lock> {
    if (!acquisition.options.reentrant) throw selfDeadlock(hold.key);
    reenter(this.context, acquisition, hold, now);
    return Promise.resolve(acquisition.toLock(hold));
  }

  private leaveOnAbort(signal: AbortSignal, acquisition: Acquisition, keyState: KeyState): void {
    const context = this.context;
    acquisition.stopListening = onceAborted(signal, () => {
      fail(context, keyState, acquisition, signal.reason);
    });
  }
}

function tellAcquire(context: Context, acquisition: Acquisition): void {
  const { key, number, ownerId, once, options } = acquisition;
  const waitMs = once ? 0 : options.waitMs;
  channels.acquire.publish({ adapter: context.adapter.name, key, acquisition: number, owner: ownerId, waitMs });
}

/** Runs an acquisition that somebody observes: when it ends without the lock, the channel `fail` says so. */
function tellingFailure(
  context: Context,
  acquisition: Acquisition,
  proceed: () => Promise<Lock | undefined>,
): Promise<Lock | undefined> {
  const tell = (outcome: string, reason: unknown): void => {
    const { key, number, ownerId, startedAt } = acquisition;
    const waitedMs = context.settings.clock.now() - startedAt;
    const { name } = context.adapter;
    channels.fail.publish({ adapter: name, key, acquisition: number, owner: ownerId, outcome, waitedMs, reason });
  };
  const rejected = (error: unknown): never => {
    const { signal } = acquisition.options;
    const aborted = signal?.aborted === true && error === signal.reason;
    tell(aborted ? 'aborted' : isLockError(error, 'LOCK_TIMEOUT') ? 'timeout' : 'error', error);
    throw error;
  };
  try {
    return proceed().then((lock) => {
      if (lock === undefined) tell('busy', undefined);
      return lock;
    }, rejected);
  } catch (error) {
    return rejected(error);
  }
}
