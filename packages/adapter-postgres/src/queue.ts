import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
import { type AcquireAttempt, type Granted, isLockError, LockError } from '@holdfast/lock-core';
import { type Asked, readBeat } from './answers.ts';
import type { Backend } from './backend.ts';
import type { Driver, Wanted } from './drivers/driver.ts';
import { isUndone } from './errors.ts';
import { Place } from './place.ts';
import { hex, hexArray } from './statements.ts';

/** A waiter that has not reported for so long counts as dead. */
const waiterLeaseMs = 5_000;
const beatMs = 1_000;
/** How often waiters ask if they cannot be notified. */
const pollMs = 50;
/** The pause after an answer that was lost. */
const pauseMs = 200;
// The statement grows with the number of places.
const placesAtOnce = 1_000;

/** Requests the lock once; takes a place in the queue if `leaseMs` is above 0. */
export type Ask = (attempt: AcquireAttempt, place: AskedPlace, onSend?: () => void) => Promise<Asked>;

interface AskedPlace {
  readonly leaseMs: number;
  readonly channel: string;
  readonly isQueued: boolean;
  readonly wanted: Wanted;
}
/** Gives up the place, or the hold that it has become. */
export type Leave = (key: string, owner: string) => Promise<unknown>;

/** The places of one adapter: one report keeps all of them alive, and one connection is notified of all grants. */
export class Queue {
  readonly #backend: Backend;
  readonly #driver: Driver;
  readonly #ask: Ask;
  readonly #leave: Leave;
  /** Where grants are announced: a channel of this adapter alone. */
  readonly #channel: string;
  /** By owner; an owner that has called twice has two. */
  readonly #places = new Map<string, Set<Place>>();
  #listening: Promise<void> | undefined;
  #beat: NodeJS.Timeout | undefined;
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
    // Reading the signal of the attempt would create it, which costs more than the request.
    const wanted = { signal };
    let sleeps = false;
    this.#join(place);
    try {
      for (;;) {
        const sentAt = performance.now();
        const asked = await this.#askOnce(attempt, place, wanted);
        if (asked?.status === 'granted') return grantOf(asked, attempt.ttlMs + sentAt - calledAt);
        if (this.#closed !== undefined) throw this.#closed;
        if (asked?.status === 'queued' && !place.isQueued) {
          place.isQueued = true;
          this.#listen();
          this.#beat ??= this.#nextBeat();
          attempt.onQueued?.();
        }
        if (!sleeps) signal.addEventListener('abort', wake);
        sleeps = true;
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
      if (sleeps) signal.removeEventListener('abort', wake);
      this.#forget(place);
    }
  }

  /**
   * lock-core repeats the first request. Once a place is confirmed, a request that had no effect must not cost the place: `undefined`
   * means that it is to be repeated. A request without an answer may still arrive, even after the release of what the place was granted.
   * Its outcome is then unknown, and lock-core cleans up after this owner (H64).
   */
  async #askOnce(attempt: AcquireAttempt, place: Place, wanted: Wanted): Promise<Asked | undefined> {
    const { isQueued } = place;
    let isSent = false;
    const asking = this.#ask(attempt, { isQueued, wanted, leaseMs: waiterLeaseMs, channel: this.#channel }, () => {
      isSent = true;
    });
    place.asking = asking.catch(() => {});
    try {
      return await asking;
    } catch (error) {
      const isWithoutEffect = isLockError(error) ? error.retryable : !isSent || isUndone(error);
      if (isQueued && isWithoutEffect) return undefined;
      // Refused for good, for example because a right was revoked: the place would block others for as long as it counts as alive.
      if (isQueued && isLockError(error)) await this.#leave(place.key, place.owner).catch(() => {});
      throw error;
    }
  }

  #join(place: Place): void {
    const owner = hex(place.owner);
    this.#places.set(owner, (this.#places.get(owner) ?? new Set()).add(place));
  }

  #forget(place: Place): void {
    const owner = hex(place.owner);
    const ofOwner = this.#places.get(owner);
    ofOwner?.delete(place);
    if (ofOwner?.size === 0) this.#places.delete(owner);
    place.wake(); // the answer to a report in flight must not set its timer again
  }

  #listen(): void {
    if (this.#driver.listen === undefined || this.#listening !== undefined) return;
    const lost = (): void => {
      this.#listening = undefined; // the next report listens again, and finds what was missed (H38)
    };
    this.#listening = this.#driver.listen(this.#channel, {
      onMessage: (owner) => {
        for (const place of this.#places.get(owner) ?? []) place.wake();
      },
      onLost: lost,
    });
    // A grant may have been announced before the subscription was established (H37).
    this.#listening.then(() => this.#keepAlive(), lost).catch(() => {});
  }

  #nextBeat(): NodeJS.Timeout {
    return setTimeout(
      async () => {
        await this.#keepAlive().catch(() => {}); // the next report may be answered
        this.#beat = undefined;
        if (this.#all().length === 0 || this.#closed !== undefined) return;
        this.#listen();
        this.#beat ??= this.#nextBeat();
      },
      this.#channel === '' ? pollMs : beatMs,
    ).unref();
  }

  /** Keeps the places alive, and wakes those that should look. */
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
    return [...this.#places.values()].flatMap((ofOwner) => [...ofOwner]).filter(({ isQueued }) => isQueued);
  }

  /** Ends the waiting of an owner that is about to be released: a request in flight must not arrive after the release. */
  async end(owner: string): Promise<void> {
    if (this.#places.size === 0) return;
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

/** A grant as lock-core expects it. */
export function grantOf(
  { token, tokens }: { readonly token: bigint; readonly tokens: number },
  validForMs: number,
): Granted {
  return { status: 'granted', fencingToken: token, tokens, validForMs };
}
