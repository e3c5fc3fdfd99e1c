import { inspect } from 'node:util';
import type { Lock, LockDescription, LockOwner } from './api.ts';
import type { Context } from './context.ts';
import { notHeld, released } from './errors.ts';
import type { Hold } from './hold.ts';
import { checkTtl } from './options.ts';
import { expireIfDue, releaseHold } from './release.ts';

/** The object that the caller receives. Reentrant locks share the hold. */
export class HeldLock implements Lock {
  readonly #context: Context;
  readonly #hold: Hold;
  #released: Promise<'released' | 'lost'> | undefined;
  /** Released while another lock on the hold stays. */
  #left = false;

  constructor(context: Context, hold: Hold) {
    this.#context = context;
    this.#hold = hold;
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

  get signal(): AbortSignal {
    expireIfDue(this.#context, this.#hold);
    return this.#hold.signal;
  }

  get state(): 'held' | 'released' | 'lost' {
    if (this.#left) return 'released';
    expireIfDue(this.#context, this.#hold);
    return this.#hold.state;
  }

  get remainingMs(): number {
    return this.state === 'held' ? this.#hold.deadline - this.#context.settings.clock.now() : 0;
  }

  assertHeld(): void {
    if (this.state === 'held') return;
    const { name } = this.#context.adapter;
    throw this.#left ? released(this.key, name) : notHeld(this.key, name, this.#hold.error);
  }

  async renew(ttlMs: number = this.#hold.ttlMs): Promise<void> {
    checkTtl(ttlMs);
    this.assertHeld();
    await this.#hold.watchdog.renewNow(this.#hold, ttlMs);
  }

  release(): Promise<'released' | 'lost'> {
    if (this.#released === undefined) {
      this.#left = this.#hold.state === 'held' && this.#hold.count > 1;
      this.#released = releaseHold(this.#context, this.#hold);
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
