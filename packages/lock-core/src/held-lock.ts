import { inspect } from 'node:util';
import type { Lock, LockDescription, LockOwner } from './api.ts';
import type { Context } from './context.ts';
import { isLockError, notAsserted, notHeld, refuse, released, unsupported } from './errors.ts';
import type { Hold } from './hold.ts';
import type { Lease } from './lease.ts';
import { checkTtl } from './options.ts';
import { onceAborted, sharedController } from './platform.ts';
import { downgraded, expireIfDue, releaseHold } from './release.ts';
import { forgetLock } from './warnings.ts';

/** The object that the caller receives. Reentrant locks share the hold. */
export class HeldLock implements Lock {
  readonly #context: Context;
  readonly #lease: Lease;
  readonly #hold: Hold;
  /** Aborts with the hold and with the signal of a leader. */
  #ending: AbortController | undefined;
  #released: Promise<'released' | 'lost'> | undefined;
  /** Released while another lock on the hold stays. */
  #left = false;

  constructor(context: Context, lease: Lease, hold: Hold) {
    this.#context = context;
    this.#lease = lease;
    this.#hold = hold;
    if (hold.firstLock === undefined) hold.firstLock = this;
    else {
      hold.moreLocks ??= new Set();
      hold.moreLocks.add(this);
    }
  }

  get key(): string {
    return this.#hold.key;
  }

  get owner(): LockOwner {
    return this.#hold.owner;
  }

  get fencingToken(): bigint | undefined {
    return this.#hold.fencingToken;
  }

  get mode(): 'exclusive' | 'shared' | 'permits' {
    return this.#hold.mode;
  }

  get signal(): AbortSignal {
    this.#expireIfDue();
    return this.#ending?.signal ?? this.#hold.signal;
  }

  /** Has the signal of this lock abort with `stop` too, until the returned function is called. */
  endWith(stop: AbortSignal): () => void {
    const ending = sharedController();
    this.#ending = ending;
    const signals = [this.#hold.signal, stop];
    const stopListening = signals.map((signal) => onceAborted(signal, () => ending.abort(signal.reason)));
    const first = signals.find(({ aborted }) => aborted);
    if (first !== undefined) ending.abort(first.reason);
    return () => {
      for (const stopOne of stopListening) stopOne();
    };
  }

  get state(): 'held' | 'released' | 'lost' {
    if (this.#left) return 'released';
    this.#expireIfDue();
    return this.#hold.state;
  }

  #expireIfDue(): void {
    // The lease of a hold that is over may be held by others.
    if (this.#hold.state === 'held') expireIfDue(this.#context, this.#lease);
  }

  get remainingMs(): number {
    if (this.state !== 'held') return 0;
    return Math.min(this.#lease.deadline, this.#hold.leaseEndsAt) - this.#context.settings.clock.now();
  }

  assertHeld(): void {
    if (this.state === 'held') return;
    const { name } = this.#context.adapter;
    throw this.#left ? released(this.key, name) : notHeld(this.key, name, this.#hold.error);
  }

  async assertIn(client: unknown): Promise<void> {
    this.assertHeld();
    const { adapter } = this.#context;
    if (adapter.assertIn === undefined) {
      throw unsupported(adapter.name, 'transactions that a lock could be put in', this.key);
    }
    this.#lease.pinned = true;
    try {
      await adapter.assertIn(this.#lease, client);
    } catch (error) {
      throw isLockError(error) ? error : notAsserted(this.key, adapter.name, error);
    }
    // Released or lost meanwhile: the pin stands, but in the name of a hold that has ended.
    this.assertHeld();
  }

  async renew(ttlMs: number = this.#lease.renewMs): Promise<void> {
    checkTtl(ttlMs);
    this.assertHeld();
    await this.#lease.watchdog.renewNow(this.#lease, this.#hold, ttlMs, this);
  }

  async downgrade(): Promise<void> {
    const { adapter } = this.#context;
    this.assertHeld();
    if (this.#lease.isShared) return;
    if (this.mode === 'permits')
      refuse('a permit of a semaphore is not exclusive: there is nothing to downgrade', this.key);
    if (!adapter.capabilities.shared || adapter.downgrade === undefined) {
      throw unsupported(adapter.name, 'way to downgrade a lock', this.key);
    }
    try {
      await this.#lease.watchdog.downgradeNow(this.#lease, this.#hold, this);
    } finally {
      // It counts as shared whatever was answered, so who waits here has to ask the backend.
      downgraded(this.#context, this.#lease);
    }
  }

  release(): Promise<'released' | 'lost'> {
    if (this.#released === undefined) {
      if (this.#hold.firstLock === this) this.#hold.firstLock = undefined;
      else if (!this.#hold.moreLocks?.delete(this)) forgetLock(this);
      this.#left = this.#hold.state === 'held' && this.#hold.count > 1;
      this.#released = releaseHold(this.#context, this.#lease, this.#hold);
    }
    return this.#released;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  toJSON(): LockDescription {
    const { key, state, fencingToken, remainingMs } = this;
    return { key, state, fencingToken: fencingToken?.toString(), remainingMs: Math.round(remainingMs) };
  }
}

// Not a member: the declaration of the class need not name Node's symbol.
Object.defineProperty(HeldLock.prototype, inspect.custom, {
  value(this: HeldLock): string {
    return `Lock ${inspect(this.toJSON())}`;
  },
});
