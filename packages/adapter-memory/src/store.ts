import type { Clock, Granted } from '@holdfast/lock-core';

/** Node turns a longer delay into 1 ms (H9). */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A place in the queue of a held key. */
export interface Waiter {
  readonly owner: string;
  readonly ttlMs: number;
  readonly tokens: number;
  readonly calledAt: number;
  grant(granted: Granted): void;
  cancel(reason: unknown): void;
}

/** A subscription to the hints of one key. */
export interface Watcher {
  /** The adapter that asked, to tell other clients from oneself. */
  readonly client: object;
  readonly signal: AbortSignal;
  next(): Promise<void>;
  wake(): void;
  cancel(reason: unknown): void;
}

/** One held key; a free key has no entry at all. */
export interface Hold {
  owner: string;
  /** `undefined` for a hold without fencing. */
  token: bigint | undefined;
  tokens: number;
  expiresAt: number;
  /** Waiters by owner, in the order of their arrival. */
  queue: Map<string, Waiter> | undefined;
  timer: unknown;
  timerAt: number;
}

/**
 * What several memory adapters share, as several clients share one server. Opaque: make it with `memoryStore()` and hand it
 * to `memoryAdapter`.
 */
export interface MemoryStore {
  /** The clock of the first adapter; all leases of a store count on one clock. */
  clock: Clock | undefined;
  readonly holds: Map<string, Hold>;
  readonly watchers: Map<string, Set<Watcher>>;
  /** The highest fencing token given; one counter serves all keys, so that nothing has to be kept for a free key. */
  lastToken: bigint;
  /** When this many keys are held, the expired ones among them are looked for. */
  sweepAt: number;
}

/** Makes an empty store. */
export function memoryStore(): MemoryStore {
  return { clock: undefined, holds: new Map(), watchers: new Map(), lastToken: 0n, sweepAt: 1_024 };
}

/** The store with its clock known. */
export type OpenStore = MemoryStore & { clock: Clock };

/** The hold of a key at this moment; an expired one passes on to the next waiter first. */
export function holdAt(store: OpenStore, key: string, now: number): Hold | undefined {
  const hold = store.holds.get(key);
  if (hold === undefined || now < hold.expiresAt) return hold;
  endHold(store, key, hold, now);
  return store.holds.get(key);
}

/** Gives a free key to `owner`. */
export function startHold(
  store: OpenStore,
  key: string,
  owner: string,
  ttlMs: number,
  tokens: number,
  now: number,
): Hold {
  if (store.holds.size >= store.sweepAt) sweep(store, now);
  const token = nextToken(store, tokens);
  const hold: Hold = { owner, token, tokens, expiresAt: now + ttlMs, queue: undefined, timer: undefined, timerAt: 0 };
  store.holds.set(key, hold);
  return hold;
}

/** Ends a hold: the first waiter gets the key, else it is free and the watchers hear of it. */
export function endHold(store: OpenStore, key: string, hold: Hold, now: number): void {
  const next = hold.queue?.values().next().value;
  if (next === undefined) {
    store.holds.delete(key);
    const watchers = store.watchers.get(key);
    if (watchers) for (const watcher of watchers) watcher.wake();
    return;
  }
  hold.queue?.delete(next.owner);
  hold.owner = next.owner;
  hold.token = nextToken(store, next.tokens);
  hold.tokens = next.tokens;
  hold.expiresAt = now + next.ttlMs;
  watchExpiry(store, key, hold, now);
  next.grant(grantOf(hold, next.calledAt));
}

/** What the owner of `hold` is told; its validity counts from `calledAt`. */
export function grantOf(hold: Hold, calledAt: number, waiting?: number): Granted {
  const { token, tokens } = hold;
  const reserved = token === undefined ? undefined : tokens;
  return { status: 'granted', fencingToken: token, tokens: reserved, validForMs: hold.expiresAt - calledAt, waiting };
}

/** Keeps a timer at the end of a hold that somebody waits for, and none otherwise. */
export function watchExpiry(store: OpenStore, key: string, hold: Hold, now: number): void {
  if (!hold.queue?.size) {
    if (hold.timer !== undefined) store.clock.clearTimeout(hold.timer);
    hold.timer = undefined;
    return;
  }
  // A timer that stands too early looks again; so a renewal costs no timer.
  if (hold.timer !== undefined) {
    if (hold.timerAt <= hold.expiresAt) return;
    store.clock.clearTimeout(hold.timer);
  }
  const delayMs = Math.min(Math.ceil(hold.expiresAt - now), LONGEST_TIMER_MS);
  hold.timerAt = now + delayMs;
  hold.timer = store.clock.setTimeout(() => {
    hold.timer = undefined;
    const firedAt = store.clock.now();
    // Node may fire a little early.
    if (firedAt < hold.expiresAt) watchExpiry(store, key, hold, firedAt);
    else endHold(store, key, hold, firedAt);
  }, delayMs);
}

/** The first of a block of `count` tokens; `undefined` when `count` is 0. */
function nextToken(store: OpenStore, count: number): bigint | undefined {
  if (count === 0) return undefined;
  // From the wall clock, so that a resource that outlives the process does not refuse its successor (H62).
  if (store.lastToken === 0n) store.lastToken = BigInt(Math.floor(store.clock.wallNow() * 1_000));
  const first = store.lastToken + 1n;
  store.lastToken = count === 1 ? first : first + BigInt(count - 1);
  return first;
}

/** Forgets expired holds that nobody asks for any more, at a cost that is constant per acquisition. */
function sweep(store: OpenStore, now: number): void {
  for (const [key, hold] of store.holds) if (hold.expiresAt <= now) endHold(store, key, hold, now);
  store.sweepAt = Math.max(1_024, store.holds.size * 2);
}
