import type { Lock, LockOwner } from './api.ts';
import type { Core } from './context.ts';
import { expired, released } from './failures.ts';
import type { Hold } from './hold.ts';
import { checkTtl } from './options.ts';

/** Ends the hold if its time is over: after a stall the clock knows it before any timer fires (H48). */
export function expireIfDue(core: Core, hold: Hold): void {
  if (hold.state !== 'held' || core.settings.clock.now() < hold.lease.deadline) return;
  core.lose(hold, expired(hold.key, core.adapter.name), 'may have it');
}

/** One lock as its holder sees it; reentrant ones share the hold. */
export class HeldLock implements Lock {
  readonly #core: Core;
  readonly #hold: Hold;
  #released: Promise<'released' | 'lost'> | undefined;

  constructor(core: Core, hold: Hold) {
    this.#core = core;
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
    expireIfDue(this.#core, this.#hold);
    return this.#hold.signal;
  }

  get state(): 'held' | 'released' | 'lost' {
    expireIfDue(this.#core, this.#hold);
    return this.#released !== undefined && this.#hold.state === 'held' ? 'released' : this.#hold.state;
  }

  get remainingMs(): number {
    return this.state === 'held' ? this.#hold.lease.deadline - this.#core.settings.clock.now() : 0;
  }

  assertHeld(): void {
    const state = this.state;
    if (state === 'held') return;
    throw this.#hold.error ?? released(this.key, this.#core.adapter.name);
  }

  async renew(ttlMs: number = this.#hold.lease.ttlMs): Promise<void> {
    checkTtl(ttlMs);
    this.assertHeld();
    await this.#core.watchdog.renewNow(this.#hold, ttlMs);
  }

  release(): Promise<'released' | 'lost'> {
    this.#released ??= this.#core.giveBack(this.#hold);
    return this.#released;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}
