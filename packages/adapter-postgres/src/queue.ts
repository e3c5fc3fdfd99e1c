import { type AcquireAttempt, type Granted, isLockError, LockError } from '@holdfast/lock-core';
import { type Asked, readBeat } from './answers.ts';
import type { Backend } from './backend.ts';
import type { Driver } from './drivers/driver.ts';
import { hex, hexArray } from './statements.ts';

/** A waiter that has not been heard of for so long counts as dead. */
export const waiterLeaseMs = 5_000;
const beatMs = 1_000;
/** How often those ask who cannot be told. */
const pollMs = 50;
/** After an answer that was lost. */
const pauseMs = 200;
// The statement grows with its places.
const placesAtOnce = 1_000;

/** Asks once for the lock. */
export type Ask = (
  attempt: AcquireAttempt,
  place: { readonly leaseMs: number; readonly channel: string },
) => Promise<Asked>;
/** Gives the place up, or the hold that came of it. */
export type Leave = (key: string, owner: string) => Promise<unknown>;

/** A place in a queue of the database, of a waiter in this process. */
class Place {
  readonly key: string;
  readonly owner: string;
  /** Whether the owner was released: it must not ask again. */
  isOver = false;
  /** The request on its way, if any. */
  asking: Promise<unknown> | undefined;
  #wake: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isAwake = false;

  constructor(key: string, owner: string) {
    this.key = key;
    this.owner = owner;
  }

  /** Ends the sleep, or the next one if it is awake. */
  wake(): void {
    clearTimeout(this.#timer);
    this.#isAwake = true;
    this.#wake?.();
  }

  /** Sleeps for so long, or until it is woken. */
  async sleep(forMs: number | undefined): Promise<void> {
    this.wakeIn(forMs);
    if (!this.#isAwake) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#wake = undefined;
    this.#isAwake = false;
    clearTimeout(this.#timer);
  }

  /** Wakes after so long, and not before unless it is woken. */
  wakeIn(ms: number | undefined): void {
    clearTimeout(this.#timer);
    if (ms === undefined || this.#isAwake) return;
    // A time that has just passed may be that of a hold which a transaction has pinned.
    this.#timer = setTimeout(() => this.wake(), Math.min(Math.max(ms + 1, 20), 2 ** 31 - 1));
    this.#timer.unref();
  }
}

/** The places of one adapter: one beat keeps all of them alive, and one connection hears of all grants. */
export class Queue {
  readonly #backend: Backend;
  readonly #driver: Driver;
  readonly #ask: Ask;
  readonly #leave: Leave;
  /** Where grants are told: a channel of this adapter alone. */
  readonly #channel: string;
  /** By owner; an owner that has called twice has two. */
  readonly #places = new Map<string, Set<Place>>();
  #listening: Promise<void> | undefined;
  #beat: ReturnType<typeof setTimeout> | undefined;
  #keptAliveAt = 0;
  #closed: LockError | undefined;

  constructor(backend: Backend, driver: Driver, id: string, ask: Ask, leave: Leave) {
    this.#backend = backend;
    this.#driver = driver;
    this.#channel = driver.listen === undefined ? '' : `holdfast_${id}`;
    this.#ask = ask;
    this.#leave = leave;
  }

  /** As `LockAdapter.enqueue`. */
  async enqueue(attempt: AcquireAttempt, signal: AbortSignal): Promise<Granted> {
    signal.throwIfAborted();
    const { key, owner } = attempt;
    const place = new Place(key, owner);
    const wake = (): void => place.wake();
    const calledAt = performance.now();
    let isQueued = false;
    signal.addEventListener('abort', wake);
    try {
      for (;;) {
        const sentAt = performance.now();
        const asked = await this.#askOnce(attempt, place, isQueued);
        if (asked?.status === 'granted') return grantOf(asked, attempt.ttlMs + sentAt - calledAt);
        if (asked?.status === 'queued' && !isQueued) {
          isQueued = true;
          this.#join(place);
          attempt.onQueued?.();
        }
        if (!signal.aborted && !place.isOver) await place.sleep(asked?.status === 'queued' ? asked.waitMs : pauseMs);
        if (this.#closed !== undefined) throw this.#closed;
        if (place.isOver)
          throw new LockError('LOCK_LOST', `the place in the queue of ${JSON.stringify(key)} was given up`, { key });
        if (signal.aborted) {
          await this.#leave(key, owner);
          throw signal.reason;
        }
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#forget(place);
    }
  }

  /**
   * The first request is repeated by lock-core. Once a place is confirmed, one lost answer must not cost it: `undefined` says that there
   * was none.
   */
  async #askOnce(attempt: AcquireAttempt, place: Place, isQueued: boolean): Promise<Asked | undefined> {
    const asking = this.#ask(attempt, { leaseMs: waiterLeaseMs, channel: this.#channel });
    place.asking = asking.catch(() => {});
    try {
      return await asking;
    } catch (error) {
      if (!isQueued || (isLockError(error) && !error.retryable)) throw error;
      return undefined;
    }
  }

  #join(place: Place): void {
    const owner = hex(place.owner);
    this.#places.set(owner, (this.#places.get(owner) ?? new Set()).add(place));
    this.#listen();
    this.#beat ??= this.#nextBeat();
  }

  #forget(place: Place): void {
    const owner = hex(place.owner);
    const ofOwner = this.#places.get(owner);
    ofOwner?.delete(place);
    if (ofOwner?.size === 0) this.#places.delete(owner);
    place.wake(); // the answer to a beat on its way must not set its timer again
  }

  #listen(): void {
    if (this.#driver.listen === undefined || this.#listening !== undefined) return;
    const lost = (): void => {
      this.#listening = undefined; // the next beat listens anew, and finds what was missed (H38)
    };
    this.#listening = this.#driver.listen(this.#channel, {
      onMessage: (owner) => {
        for (const place of this.#places.get(owner) ?? []) place.wake();
      },
      onLost: lost,
    });
    // A grant may have been told before the subscription stood (H37).
    this.#listening.then(() => this.#keepAlive(), lost).catch(() => {});
  }

  #nextBeat(): ReturnType<typeof setTimeout> {
    return setTimeout(
      async () => {
        await this.#keepAlive().catch(() => {}); // the next one may be answered
        this.#beat = undefined;
        if (this.#places.size === 0 || this.#closed !== undefined) return;
        this.#listen();
        this.#beat ??= this.#nextBeat();
      },
      this.#channel === '' ? pollMs : beatMs,
    ).unref();
  }

  /** Keeps the places alive, and wakes those that have something to look for. */
  async #keepAlive(): Promise<void> {
    const now = performance.now();
    const isDue = this.#channel !== '' || now >= this.#keptAliveAt + beatMs;
    if (isDue) this.#keptAliveAt = now;
    const all = this.#all();
    for (let begin = 0; begin < all.length; begin += placesAtOnce) {
      const places = all.slice(begin, begin + placesAtOnce);
      const answer = await this.#backend.step(this.#backend.statements.beat, [
        hexArray(places.map(({ key }) => key)),
        hexArray(places.map(({ owner }) => owner)),
        String(isDue ? waiterLeaseMs : 0),
      ]);
      for (const [i, waitMs] of readBeat(answer, places.length).entries()) {
        const place = places[i]!;
        if (waitMs === 'gone') place.wake();
        else if (waitMs !== 'behind') place.wakeIn(waitMs);
      }
    }
  }

  #all(): Place[] {
    return [...this.#places.values()].flatMap((ofOwner) => [...ofOwner]);
  }

  /** Ends the waiting of an owner that is about to be released: a request on its way must not arrive behind the release. */
  async end(owner: string): Promise<void> {
    const places = [...(this.#places.get(hex(owner)) ?? [])];
    for (const place of places) {
      place.isOver = true;
      place.wake();
    }
    await Promise.all(places.map(({ asking }) => asking));
  }

  /** Ends all waiting. */
  close(): void {
    this.#closed ??= new LockError('LOCK_CLOSED', 'the adapter was closed while waiting for a lock');
    clearTimeout(this.#beat);
    for (const place of this.#all()) place.wake();
  }
}

/** What lock-core is told of a grant. */
export function grantOf(
  { token, tokens }: { readonly token: bigint; readonly tokens: number },
  validForMs: number,
): Granted {
  return { status: 'granted', fencingToken: token, tokens, validForMs };
}
