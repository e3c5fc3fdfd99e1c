import type { AcquireOptions, Lock, LockOwner } from './api.ts';
import { QueuedAcquisition } from './backend-queue.ts';
import { type Context, fail, joinableLease, joinReaders, reenter, reentryRefusal } from './context.ts';
import { channels } from './diagnostics.ts';
import { closed, isLockError, refuse, semaphoreDeadlock, timedOut, unsupported } from './errors.ts';
import type { Hold } from './hold.ts';
import { type Acquisition, KeyState } from './key-state.ts';
import { type Lease, permitsOf } from './lease.ts';
import type { LockAdapter } from './lock-adapter.ts';
import { checkKey, type ResolvedOptions, resolveOptions, resolveSemaphoreOptions } from './options.ts';
import { bodyOwner, contextOwner, isWithin, runBody } from './owner.ts';
import { onceAborted } from './platform.ts';
import { PollingAcquisition } from './polling-queue.ts';
import { expireAllDue } from './release.ts';
import type { Watchdog } from './watchdog.ts';

/** What an async function does with an error, without its extra promises. */
function asPromise<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call();
  } catch (error) {
    return Promise.reject(error);
  }
}

/** @throws LockError LOCK_UNSUPPORTED where the session of its holder frees a key, whatever was asked for */
export function checkGraceSupport({ name, capabilities }: LockAdapter, graceMs: number, key?: string): void {
  if (graceMs === 0 || capabilities.expiry !== 'session') return;
  throw unsupported(name, 'way to keep a key after the session of its holder has ended (graceMs)', key);
}

export type Body<T> = (lock: Lock) => T | Promise<T>;

/** The acquires of one `Locks`: from the call to the lock, re-entry included. */
export class Acquirer {
  private readonly context: Context;
  private readonly watchdog: Watchdog;

  constructor(context: Context, watchdog: Watchdog) {
    this.context = context;
    this.watchdog = watchdog;
  }

  /** Waits for the lock, or for permits if there is a limit. */
  acquire(key: string, options: AcquireOptions | undefined, limit?: number): Promise<Lock> {
    return asPromise(() => {
      const resolved = this.resolve(key, options, limit);
      return this.acquireAs(key, resolved, resolved.owner ?? contextOwner());
    });
  }

  /** A single attempt. */
  tryAcquire(key: string, options: AcquireOptions | undefined, limit?: number): Promise<Lock | undefined> {
    return asPromise(() => {
      const resolved = this.resolve(key, options, limit);
      return this.start(key, resolved, resolved.owner ?? contextOwner(), true);
    });
  }

  async using<T>(key: string, options: AcquireOptions | undefined, body: Body<T>, limit?: number): Promise<T> {
    const resolved = this.resolve(key, options, limit);
    const owner = resolved.owner ?? bodyOwner();
    return runBody(owner, await this.acquireAs(key, resolved, owner), body);
  }

  private resolve(key: string, options: AcquireOptions | undefined, limit: number | undefined): ResolvedOptions {
    checkKey(key);
    const { settings, adapter } = this.context;
    const resolved =
      limit === undefined
        ? resolveOptions(settings.defaults, options)
        : resolveSemaphoreOptions(settings.defaults, options, limit);
    if (resolved.graceMs > 0) checkGraceSupport(adapter, resolved.graceMs, key);
    if (resolved.claim.mode === 'shared' && !adapter.capabilities.shared) {
      throw unsupported(adapter.name, 'shared locks', key);
    }
    return resolved;
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
    let standing = context.keys.get(key);
    if (standing?.firstLease !== undefined) {
      expireAllDue(context, standing);
      // Its listeners may have closed these locks, or aborted.
      standing = context.keys.get(key);
    }
    if (context.closed) throw closed(key);
    options.signal?.throwIfAborted();
    const limit = options.claim.mode === 'permits' ? options.claim.limit : undefined;
    if (standing !== undefined && standing.limit !== limit) {
      if (!standing.idle) refuseOtherUse(key, standing.limit, limit);
      standing = undefined;
    }
    const keyState = standing ?? new KeyState(key, limit);
    const now = context.settings.clock.now();
    const Acquisition = once || context.adapter.enqueue === undefined ? PollingAcquisition : QueuedAcquisition;
    const acquisition = new Acquisition(context, this.watchdog, keyState, owner, options, once, now);
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

  /** Re-enters the owner's own hold, joins other readers, or starts to ask the backend. */
  private proceed(
    acquisition: PollingAcquisition | QueuedAcquisition,
    keyState: KeyState,
    now: number,
  ): Promise<Lock | undefined> {
    if (keyState.firstLease !== undefined) {
      const served = this.serveHere(acquisition, keyState, now);
      if (served !== undefined) return served;
      // What this process holds is busy without asking.
      if (acquisition.once && isBusyHere(keyState, acquisition)) return Promise.resolve(undefined);
    }
    const { signal } = acquisition.options;
    if (signal !== undefined) this.leaveOnAbort(signal, acquisition, keyState);
    acquisition.start(now);
    return acquisition.promise;
  }

  /** What the leases of this process allow at once; `undefined` if the backend has to be asked. */
  private serveHere(acquisition: Acquisition, keyState: KeyState, now: number): Promise<Lock | undefined> | undefined {
    for (let lease = keyState.firstLease; lease !== undefined; lease = lease.after) {
      const hold = lease.holdWithin(acquisition.owner);
      if (hold !== undefined) return this.reenter(acquisition, lease, hold, now);
    }
    if (keyState.limit !== undefined) refuseSemaphoreDeadlock(acquisition, keyState, keyState.limit);
    const lease = keyState.first === undefined ? joinableLease(this.context, keyState, acquisition, now) : undefined;
    if (lease === undefined) return undefined;
    joinReaders(this.context, keyState, acquisition, lease, now);
    return acquisition.promise;
  }

  private reenter(acquisition: Acquisition, lease: Lease, hold: Hold, now: number): Promise<Lock> {
    const refused = reentryRefusal(acquisition, hold);
    if (refused !== undefined) throw refused;
    reenter(this.context, acquisition, lease, hold, now);
    return Promise.resolve(acquisition.toLock(lease, hold));
  }

  private leaveOnAbort(signal: AbortSignal, acquisition: Acquisition, keyState: KeyState): void {
    const context = this.context;
    acquisition.stopListening = onceAborted(signal, () => {
      fail(context, keyState, acquisition, signal.reason);
    });
  }
}

/** Whether the backend would refuse a single attempt, as this process knows by what it holds and waits for. */
function isBusyHere(keyState: KeyState, { options: { claim } }: Acquisition): boolean {
  if (claim.mode === 'exclusive' || keyState.exclusive !== undefined) return true;
  // Nobody passes those who wait.
  if (keyState.first !== undefined) return true;
  return claim.mode === 'permits' && keyState.heldPermits() + claim.permits > claim.limit;
}

/** A body that has permits and asks for more than there can ever be beside them would wait for itself. */
function refuseSemaphoreDeadlock(
  { key, owner, options: { claim } }: Acquisition,
  keyState: KeyState,
  limit: number,
): void {
  const isAround = ({ hold }: Lease): boolean => hold !== undefined && isWithin(owner, hold.owner);
  const held = keyState.heldPermits(isAround);
  if (held > 0 && held + permitsOf(claim) > limit) throw semaphoreDeadlock(key, held, permitsOf(claim), limit);
}

function refuseOtherUse(key: string, standing: number | undefined, asked: number | undefined): never {
  const use = (limit: number | undefined): string =>
    limit === undefined ? 'a lock' : `a semaphore of ${limit} permits`;
  refuse(
    `${JSON.stringify(key)} is in use as ${use(standing)}, and cannot be ${use(asked)} meanwhile: use each key for one purpose only`,
    key,
  );
}

function tellAcquire(context: Context, acquisition: Acquisition): void {
  const { key, number, once, options } = acquisition;
  const waitMs = once ? 0 : options.waitMs;
  channels.acquire.publish({
    adapter: context.adapter.name,
    key,
    acquisition: number,
    owner: acquisition.ownLease().owner,
    mode: options.claim.mode,
    waitMs,
  });
}

/** Runs an acquisition that somebody observes: when it ends without the lock, the channel `fail` says so. */
function tellingFailure(
  context: Context,
  acquisition: Acquisition,
  proceed: () => Promise<Lock | undefined>,
): Promise<Lock | undefined> {
  const tell = (outcome: string, reason: unknown): void => {
    const { key, number, startedAt } = acquisition;
    const ownerId = acquisition.ownLease().owner;
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
