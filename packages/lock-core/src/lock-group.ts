import { inspect } from 'node:util';
import type { Acquirer } from './acquire.ts';
import type { AcquireOptions, Lock, LockGroup, LockOwner } from './api.ts';
import type { Context } from './context.ts';
import { isLockError, refuse, shown, timedOut } from './errors.ts';
import { checkKey, copyOptions, resolveOptions } from './options.ts';
import { bodyOwner, contextOwner, runBody } from './owner.ts';
import { onceAborted, sharedController } from './platform.ts';

export type GroupBody<T> = (group: LockGroup) => T | Promise<T>;

/** The acquires of several keys at once. */
export class Groups {
  private readonly context: Context;
  private readonly acquirer: Acquirer;

  constructor(context: Context, acquirer: Acquirer) {
    this.context = context;
    this.acquirer = acquirer;
  }

  /** Waits for all keys. */
  acquire(keys: readonly string[], options: AcquireOptions | undefined): Promise<LockGroup> {
    // Without `once` it never resolves without a group.
    return this.start(keys, options, contextOwner, false) as Promise<LockGroup>;
  }

  /** A single attempt for each key. */
  tryAcquire(keys: readonly string[], options: AcquireOptions | undefined): Promise<LockGroup | undefined> {
    return this.start(keys, options, contextOwner, true);
  }

  async using<T>(keys: readonly string[], options: AcquireOptions | undefined, body: GroupBody<T>): Promise<T> {
    const owner = options?.owner ?? bodyOwner();
    const group = (await this.start(keys, options, () => owner, false)) as LockGroup;
    return runBody(owner, group, body);
  }

  private async start(
    keys: readonly string[],
    options: AcquireOptions | undefined,
    newOwner: () => LockOwner,
    once: boolean,
  ): Promise<LockGroup | undefined> {
    const sorted = sortKeys(keys);
    const { owner = newOwner(), signal, waitMs } = resolveOptions(this.context.settings.defaults, options);
    signal?.throwIfAborted();
    // One owner for all keys, so that what is nested in a body re-enters each of them.
    return this.acquireEach(sorted, { ...copyOptions(options), owner, signal, waitMs: once ? 0 : waitMs }, once);
  }

  /** One key after the other. A window of several at once would hold later keys while it waits for an earlier one: a deadlock. */
  private async acquireEach(
    keys: readonly string[],
    options: AcquireOptions & { waitMs: number },
    once: boolean,
  ): Promise<LockGroup | undefined> {
    const { adapter, settings } = this.context;
    const { now } = settings.clock;
    const { signal, waitMs } = options;
    const startedAt = now();
    const group = new HeldGroup();
    const enough = sharedController();
    const stopListening = signal && onceAborted(signal, () => enough.abort(signal.reason));
    group.onLost = (loss) => enough.abort(loss);
    try {
      for (const key of keys) {
        const terms = { ...options, signal: enough.signal, waitMs: Math.max(0, startedAt + waitMs - now()) };
        const lock = once ? await this.acquirer.tryAcquire(key, terms) : await this.acquirer.acquire(key, terms);
        if (lock === undefined) {
          await group.release();
          return undefined;
        }
        group.add(lock);
      }
      group.assertHeld();
      group.onLost = undefined;
      return group;
    } catch (error) {
      // The reason of the caller's signal may look like a time-out as well, that of another lock.
      const isOurs = signal?.aborted !== true && isLockError(error, 'LOCK_TIMEOUT');
      // Waited for: whoever is told of the failure finds nothing held.
      await group.release();
      throw isOurs && error.key !== undefined ? timedOut(error.key, adapter.name, now() - startedAt) : error;
    } finally {
      stopListening?.();
    }
  }
}

/** The object that the caller receives. */
class HeldGroup implements LockGroup {
  readonly locks: Lock[] = [];
  // What the listeners of the locks use. They must not keep the group alive: see `warnings.ts`.
  readonly #loss: { readonly controller: AbortController; tell: ((loss: unknown) => void) | undefined } = {
    controller: sharedController(),
    tell: undefined,
  };
  readonly #stopListening: (() => void)[] = [];
  #released: Promise<'released' | 'lost'> | undefined;

  /** Called with the first loss, while the group is being acquired. */
  set onLost(tell: ((loss: unknown) => void) | undefined) {
    this.#loss.tell = tell;
  }

  add(lock: Lock): void {
    this.locks.push(lock);
    const { signal } = lock;
    const loss = this.#loss;
    const lost = (): void => {
      loss.controller.abort(signal.reason);
      loss.tell?.(signal.reason);
    };
    if (signal.aborted) lost();
    else this.#stopListening.push(onceAborted(signal, lost));
  }

  get signal(): AbortSignal {
    // After a stall the look at each lock notices the end of its lease.
    void this.state;
    return this.#loss.controller.signal;
  }

  get state(): 'held' | 'released' | 'lost' {
    let state: 'held' | 'released' = 'held';
    for (const lock of this.locks) {
      const of = lock.state;
      if (of === 'lost') return 'lost';
      if (of === 'released') state = 'released';
    }
    return state;
  }

  assertHeld(): void {
    for (const lock of this.locks) lock.assertHeld();
  }

  release(): Promise<'released' | 'lost'> {
    this.#released ??= this.#releaseAll();
    return this.#released;
  }

  async #releaseAll(): Promise<'released' | 'lost'> {
    // All are sent before any is answered: what becomes of one does not hold up the others.
    const outcomes = await Promise.all(this.locks.toReversed().map((lock) => lock.release()));
    for (const stop of this.#stopListening) stop();
    return outcomes.includes('lost') ? 'lost' : 'released';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  toJSON(): ReturnType<LockGroup['toJSON']> {
    return { state: this.state, locks: this.locks.map((lock) => lock.toJSON()) };
  }
}

// Not a member: the declaration of the class need not name Node's symbol.
Object.defineProperty(HeldGroup.prototype, inspect.custom, {
  value(this: HeldGroup): string {
    return `LockGroup ${inspect(this.toJSON())}`;
  },
});

/** The different keys of a group in the order of their UTF-8 bytes, the same in every process. */
function sortKeys(keys: unknown): string[] {
  if (!Array.isArray(keys)) refuse(`the keys must be an array of strings, not ${shown(keys)}`);
  // Nothing would be locked, and the caller would not notice: a list of keys is empty by mistake.
  if (keys.length === 0) refuse('at least one key is needed, or nothing would be locked');
  for (const key of keys) checkKey(key);
  return [...new Set(keys as string[])]
    .map((key) => ({ key, bytes: Buffer.from(key) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ key }) => key);
}
