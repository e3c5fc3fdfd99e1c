import { Acquirer, type Body, checkGraceSupport } from './acquire.ts';
import { checkAdapter } from './adapter-replies.ts';
import type { AcquireOptions, Lock, LockOwner, Locks, LocksOptions, Semaphore, SemaphoreOptions } from './api.ts';
import { callWithTimeout, pause, retryDelayMs } from './backend-call.ts';
import { type Context, createContext, fail, pendingAcquisitions } from './context.ts';
import { closed, isLockError, lost, refuse, shown, unsupported } from './errors.ts';
import type { HeldLock } from './held-lock.ts';
import { forceRelease, inspectLock, listLocks } from './inspect.ts';
import type { LockAdapter } from './lock-adapter.ts';
import { type GroupBody, Groups } from './lock-group.ts';
import { attemptTimeout, checkKey, checkLimit, copyOptions, resolveOptions, resolveSettings } from './options.ts';
import { bodyOwner, Owner, runBody } from './owner.ts';
import { keepProcessAlive, onceAborted, sharedController } from './platform.ts';
import { loseLease } from './release.ts';
import { findOwnWaiters } from './warnings.ts';
import { watchLock } from './watch.ts';
import { Watchdog } from './watchdog.ts';

/**
 * Creates the locks of one backend from its adapter. Sends nothing to the backend.
 *
 * @throws LockError LOCK_INVALID_ARGUMENT for anything that is not an adapter, and for an option that is unknown or out of range;
 * LOCK_UNSUPPORTED for `graceMs` if the adapter's holds end with a session
 */
export function createLocks(adapter: LockAdapter, options?: LocksOptions): Locks {
  checkAdapter(adapter);
  const context = createContext(adapter, resolveSettings(options, adapter.localRunCount));
  checkGraceSupport(adapter, context.settings.defaults.graceMs);
  const acquirer = new Acquirer(context, new Watchdog(context));
  const groups = new Groups(context, acquirer);
  const watching = sharedController();
  const stopFinding = findOwnWaiters(context);
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
    createOwner(label) {
      if (label !== undefined && typeof label !== 'string')
        refuse(`the label of an owner is a string, not ${shown(label)}`);
      return new Owner(label, undefined);
    },
    inspect: (key) => inspectLock(context, key),
    list: (pattern) => listLocks(context, pattern),
    forceRelease: (key, owner) => forceRelease(context, key, owner),
    close() {
      if (closing === undefined) {
        closing = closeLocks(context);
        watching.abort();
        stopFinding();
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
  const { adapter, cleanup, keys, settings, timers } = context;
  context.closed = true;
  for (const acquisition of [...pendingAcquisitions(context)]) {
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
  await bounded(async () => {
    // One that is under way may need a second command, or the clean-up.
    if (context.releasing > 0) await new Promise<void>((resolve) => (context.onReleased = resolve));
    await cleanup.drained();
  });
  cleanup.close();
  await bounded(async () => adapter.close?.());
  timers.close();
  stopKeeping();
}

/** Permits of one key: the same acquires as those of a lock, with another claim. */
function openSemaphore(context: Context, acquirer: Acquirer, key: string, limit: number): Semaphore {
  checkKey(key);
  checkLimit(limit, key);
  const { name, capabilities } = context.adapter;
  if (!capabilities.permits) throw unsupported(name, 'semaphores');
  return {
    key,
    limit,
    acquire: (options) => acquirer.acquire(key, options, limit),
    tryAcquire: (options) => acquirer.tryAcquire(key, options, limit),
    async using<T>(...given: [SemaphoreOptions | Body<T>, Body<T>?]): Promise<T> {
      const [options, body] = optionsAndBody<SemaphoreOptions, Body<T>>('using', given, '');
      return acquirer.using(key, options, body, limit);
    },
    inspect: () => inspectLock(context, key),
  };
}

/** The arguments of `using`: refuses a body that cannot be called before the lock is asked for. `before` are the arguments before them. */
function optionsAndBody<Options, Body extends (...given: never[]) => unknown>(
  call: 'using' | 'usingAll',
  given: readonly (Options | Body | undefined)[],
  before: string,
): [Options | undefined, Body] {
  const hasOptions = given.length > 1;
  const body = hasOptions ? given[1] : given[0];
  if (typeof body === 'function' && given.length < 3)
    return [hasOptions ? (given[0] as Options) : undefined, body as Body];
  const misplaced = given.slice(0, -1).some((argument) => typeof argument === 'function');
  if (misplaced) refuse(`${call} takes the options before the function: ${call}(${before}options, body)`);
  refuse(
    `${call} takes a function to run under the lock, not ${shown(body)}: ${call}(${before}body) or ${call}(${before}options, body)`,
  );
}

/** The same for the body of `lead`, which comes before the options. */
function checkLeadBody(body: unknown, options: unknown): void {
  if (typeof body === 'function') return;
  if (typeof options === 'function') refuse('lead takes the function before the options: lead(key, body, options)');
  refuse(
    `lead takes a function to run while it leads, not ${shown(body)}: lead(key, body) or lead(key, body, options)`,
  );
}

type TermBody = (term: Lock) => void | Promise<void>;

/**
 * Campaigns for the key, runs the body while it leads, and campaigns again after a loss, once the body has settled: so there are
 * never two bodies of one call.
 */
async function lead(
  context: Context,
  acquirer: Acquirer,
  key: string,
  body: TermBody,
  given: AcquireOptions | undefined,
): Promise<void> {
  checkKey(key);
  checkLeadBody(body, given);
  const { claim } = resolveOptions(context.settings.defaults, given);
  if (claim.mode !== 'exclusive') refuse('a leader is the only one: lead has no mode', key);
  const options = copyOptions(given);
  const { signal } = options;
  for (;;) {
    const owner = options.owner ?? bodyOwner();
    const term = await campaign(context, acquirer, key, { ...options, owner });
    // Over before its body could listen, which would then hear of no end.
    if (signal?.aborted || term.state !== 'held') {
      await term.release();
      // However short the term, nobody is to be asked without a pause.
      await context.keepalive.during(() => pauseUnless(signal, context, retryDelayMs(1)));
      signal?.throwIfAborted();
      continue;
    }
    const stopListening = signal && term.endWith(signal);
    let wasLost = false;
    try {
      await runBody(owner, term, async () => {
        try {
          await body(term);
        } finally {
          wasLost = term.state === 'lost';
        }
      });
    } catch (error) {
      // What a body does after the loss of its term, the loss made it do: it has not done its work.
      if (!wasLost) throw error;
    } finally {
      stopListening?.();
    }
    signal?.throwIfAborted();
    if (!wasLost) return;
  }
}

/** Waits for the key. An outage of the backend does not end it: the next leader is needed all the more. */
async function campaign(
  context: Context,
  acquirer: Acquirer,
  key: string,
  options: AcquireOptions & { readonly owner: LockOwner },
): Promise<HeldLock> {
  const { now } = context.settings.clock;
  // A standby waits for as long as there is a leader, so the default of these `Locks` does not count.
  const { waitMs = Number.POSITIVE_INFINITY } = options;
  const until = now() + waitMs;
  for (let failures = 1; ; failures += 1) {
    try {
      const lock = await acquirer.acquire(key, { ...options, waitMs: Math.max(0, until - now()) });
      return lock as HeldLock;
    } catch (error) {
      // The reason may be a LOCK_BACKEND error as well, of something else.
      options.signal?.throwIfAborted();
      if (!isLockError(error, 'LOCK_BACKEND') || !error.retryable || now() >= until) throw error;
    }
    // However short these locks wait for an answer, nobody is to be asked without a pause.
    const pauseMs = Math.min(retryDelayMs(failures), until - now());
    await context.keepalive.during(() => pauseUnless(options.signal, context, pauseMs));
  }
}

/** Lets some time pass, but no longer than until the signal aborts. */
async function pauseUnless(signal: AbortSignal | undefined, context: Context, forMs: number): Promise<void> {
  if (signal === undefined) return pause(context, forMs);
  if (signal.aborted) return;
  let stopListening = (): void => {};
  const aborted = new Promise<void>((resolve) => {
    stopListening = onceAborted(signal, resolve);
  });
  await Promise.race([aborted, pause(context, forMs)]);
  stopListening();
}
