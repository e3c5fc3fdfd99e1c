import { inspect } from 'node:util';
import { onceAborted, sharedController } from './abort-signals.ts';
import type { Acquirer } from './acquire.ts';
import type { AcquireOptions, Lock, LockDescription, LockOwner } from './api.ts';
import { pause, retryDelayMs } from './backend-call.ts';
import type { Context } from './context.ts';
import { isLockError } from './errors.ts';
import { refuse } from './option-names.ts';
import { checkKey, checkLeadBody, resolveOptions } from './options.ts';
import { bodyOwner, runBody } from './owner.ts';

export type TermBody = (term: Lock) => void | Promise<void>;

/**
 * Campaigns for the key, runs the body while it leads, and campaigns again after a loss, once the body has settled: so there are
 * never two bodies of one call.
 */
export async function lead(
  context: Context,
  acquirer: Acquirer,
  key: string,
  body: TermBody,
  options: AcquireOptions = {},
): Promise<void> {
  checkKey(key);
  checkLeadBody(body, options);
  const { claim } = resolveOptions(context.settings.defaults, options);
  if (claim.mode !== 'exclusive') refuse('a leader is the only one: lead has no mode', key);
  const { signal } = options;
  for (;;) {
    const owner = options.owner ?? bodyOwner();
    const term = new Term(await campaign(context, acquirer, key, { ...options, owner }), signal);
    let failure: { readonly error: unknown } | undefined;
    try {
      await runBody(owner, term, body);
    } catch (error) {
      failure = { error };
    } finally {
      term.close();
    }
    // What a body does after the loss of its term, the loss made it do: it has not done its work.
    if (!term.wasLost && failure !== undefined) throw failure.error;
    signal?.throwIfAborted();
    if (!term.wasLost) return;
  }
}

/** Waits for the key. An outage of the backend does not end it: the next leader is needed all the more. */
async function campaign(
  context: Context,
  acquirer: Acquirer,
  key: string,
  options: AcquireOptions & { readonly owner: LockOwner },
): Promise<Lock> {
  const { now } = context.settings.clock;
  // A standby waits for as long as there is a leader, so the default of these `Locks` does not count.
  const { waitMs = Number.POSITIVE_INFINITY } = options;
  const until = now() + waitMs;
  for (let failures = 1; ; failures += 1) {
    try {
      return await acquirer.acquire(key, { ...options, waitMs: Math.max(0, until - now()) });
    } catch (error) {
      if (!isLockError(error, 'LOCK_BACKEND') || !error.retryable || now() >= until) throw error;
    }
    // However short these locks wait for an answer, nobody is to be asked without a pause.
    await pauseUnless(options.signal, context, Math.min(retryDelayMs(failures), until - now()));
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

/** The lock of a leader. Its signal aborts with the loss of the lock, and with the caller's own signal. */
class Term implements Lock {
  /** Whether the lock was lost when it was released: by the body, or once that had settled. */
  wasLost: boolean | undefined;
  readonly #lock: Lock;
  readonly #controller = sharedController();
  readonly #stopListening: (() => void)[] = [];

  constructor(lock: Lock, stop: AbortSignal | undefined) {
    this.#lock = lock;
    for (const signal of [lock.signal, stop]) {
      if (signal === undefined) continue;
      if (signal.aborted) this.#controller.abort(signal.reason);
      else this.#stopListening.push(onceAborted(signal, () => this.#controller.abort(signal.reason)));
    }
  }

  get key(): string {
    return this.#lock.key;
  }

  get owner(): LockOwner {
    return this.#lock.owner;
  }

  get mode(): 'exclusive' | 'shared' | 'permits' {
    return this.#lock.mode;
  }

  get fencingToken(): bigint | undefined {
    return this.#lock.fencingToken;
  }

  get signal(): AbortSignal {
    // After a stall the look at the lock notices the end of its lease.
    void this.#lock.state;
    return this.#controller.signal;
  }

  get state(): 'held' | 'released' | 'lost' {
    return this.#lock.state;
  }

  get remainingMs(): number {
    return this.#lock.remainingMs;
  }

  assertHeld(): void {
    this.#lock.assertHeld();
  }

  renew(ttlMs?: number): Promise<void> {
    return this.#lock.renew(ttlMs);
  }

  downgrade(): Promise<void> {
    return this.#lock.downgrade();
  }

  release(): Promise<'released' | 'lost'> {
    this.wasLost ??= this.#lock.state === 'lost';
    return this.#lock.release();
  }

  /** The body has settled: nobody listens any more. */
  close(): void {
    for (const stop of this.#stopListening) stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  toJSON(): LockDescription {
    return this.#lock.toJSON();
  }
}

// Not a member: the declaration of the class need not name Node's symbol.
Object.defineProperty(Term.prototype, inspect.custom, {
  value(this: Term): string {
    return `Lock ${inspect(this.toJSON())}`;
  },
});
