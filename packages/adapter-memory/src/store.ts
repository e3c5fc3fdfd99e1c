import { type Claim, type Clock, type Granted, LockError } from '@holdfast/lock-core';

/** Node turns a longer delay into 1 ms (H9). */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A place in the queue of a key. */
export interface Waiter {
  readonly owner: string;
  readonly claim: Claim;
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

/** One owner's hold of a key. */
export interface Holder {
  readonly owner: string;
  readonly permits: number;
  /** `undefined` for a hold without fencing. */
  readonly token: bigint | undefined;
  readonly tokens: number;
  /** When it was granted, on the wall clock. */
  readonly grantedAt: number;
  expiresAt: number;
}

/** One key in use; a free key has no entry at all. */
export interface Entry {
  /** What its holders have it for: the same, all of them. */
  mode: Claim['mode'];
  /** How many permits there are, for as long as it is in use. */
  readonly limit: number | undefined;
  /** In the order in which they were granted. */
  holders: Holder[];
  /** The permits that are held. */
  used: number;
  /** No holder expires sooner; it may be too early, since a renewal does not look for it. */
  expiresBy: number;
  /** Waiters by owner, in the order of their arrival. */
  queue: Map<string, Waiter> | undefined;
  timer: unknown;
  timerAt: number;
}

/**
 * A store that several memory adapters share, as several clients share one server. It is opaque: create it with `memoryStore()`, and
 * pass it to `memoryAdapter`.
 */
export interface MemoryStore {
  /** The clock of the first adapter; all leases of the store are measured on it. */
  clock: Clock | undefined;
  readonly entries: Map<string, Entry>;
  readonly watchers: Map<string, Set<Watcher>>;
  /** The highest fencing token issued. All keys share one counter, so that nothing has to be kept for a free key. */
  lastToken: bigint;
  /** The number of held keys at which expired keys are looked for. */
  sweepAt: number;
}

/** Creates an empty store. */
export function memoryStore(): MemoryStore {
  return { clock: undefined, entries: new Map(), watchers: new Map(), lastToken: 0n, sweepAt: 1_024 };
}

/** The store with its clock known. */
export type OpenStore = MemoryStore & { clock: Clock };

/** What is asked for, as far as the grant depends on it. */
type Request = Pick<Waiter, 'owner' | 'claim' | 'ttlMs' | 'tokens'>;

export const holderOf = (entry: Entry, owner: string): Holder | undefined =>
  entry.holders.length === 1 && entry.holders[0]?.owner === owner
    ? entry.holders[0]
    : entry.holders.find((holder) => holder.owner === owner);

/** The entry of a key at this moment, rid of what has expired. */
export function entryAt(store: OpenStore, key: string, now: number): Entry | undefined {
  const entry = store.entries.get(key);
  if (entry === undefined || now < entry.expiresBy) return entry;
  settle(store, key, entry, now);
  return store.entries.get(key);
}

/** Gives a free key to its first holder. */
export function startEntry(store: OpenStore, key: string, request: Request, now: number): Holder {
  if (store.entries.size >= store.sweepAt) sweep(store, now);
  const { claim } = request;
  const holder = newHolder(store, request, now);
  store.entries.set(key, {
    mode: claim.mode,
    limit: claim.mode === 'permits' ? claim.limit : undefined,
    holders: [holder],
    used: holder.permits,
    expiresBy: holder.expiresAt,
    queue: undefined,
    timer: undefined,
    timerAt: 0,
  });
  return holder;
}

/** One more holder beside those that there are. */
export function addHolder(store: OpenStore, entry: Entry, request: Request, now: number): Holder {
  const holder = newHolder(store, request, now);
  entry.mode = request.claim.mode;
  entry.holders.push(holder);
  entry.used += holder.permits;
  entry.expiresBy = Math.min(entry.expiresBy, holder.expiresAt);
  return holder;
}

function newHolder(store: OpenStore, { owner, claim, ttlMs, tokens }: Request, now: number): Holder {
  const permits = claim.mode === 'permits' ? claim.permits : 0;
  const expiresAt = now + ttlMs;
  const grantedAt = store.clock.wallNow();
  // A shared grant has the token of the last exclusive one. Of its block the highest, since all of it may have been used.
  if (claim.mode === 'shared' && tokens > 0)
    return { owner, permits, token: store.lastToken, tokens: 1, grantedAt, expiresAt };
  return { owner, permits, token: nextToken(store, tokens), tokens, grantedAt, expiresAt };
}

/** The grant rule: whether a claim can be granted beside the holders. */
export function isCompatible(entry: Entry, claim: Claim): boolean {
  if (entry.holders.length === 0) return true;
  if (claim.mode === 'permits') return entry.used + claim.permits <= claim.limit;
  return claim.mode === 'shared' && entry.mode === 'shared';
}

/**
 * Refuses a claim of another kind, or with another limit, while the key is in use.
 * @throws LockError LOCK_INVALID_ARGUMENT
 */
export function checkUse(key: string, entry: Entry, claim: Claim): void {
  const limit = claim.mode === 'permits' ? claim.limit : undefined;
  if (limit === entry.limit) return;
  const use = (of: number | undefined): string => (of === undefined ? 'a lock' : `a semaphore of ${of} permits`);
  throw new LockError(
    'LOCK_INVALID_ARGUMENT',
    `${JSON.stringify(key)} is in use as ${use(entry.limit)} (memory), and cannot be ${use(limit)} meanwhile: use each key for one purpose only`,
    { key },
  );
}

/** Ends the hold of one owner, or of all; false when there was none. */
export function endHolds(store: OpenStore, key: string, entry: Entry, owner: string | undefined, now: number): boolean {
  const kept = owner === undefined ? [] : entry.holders.filter((holder) => holder.owner !== owner);
  if (kept.length === entry.holders.length) return false;
  entry.holders = kept;
  settle(store, key, entry, now);
  return true;
}

/** Drops what has expired and grants to the head of the queue for as long as that is compatible; a key in no use is forgotten. */
export function settle(store: OpenStore, key: string, entry: Entry, now: number): void {
  entry.holders = entry.holders.filter(({ expiresAt }) => now < expiresAt);
  entry.used = 0;
  entry.expiresBy = Number.POSITIVE_INFINITY;
  for (const { permits, expiresAt } of entry.holders) {
    entry.used += permits;
    entry.expiresBy = Math.min(entry.expiresBy, expiresAt);
  }
  for (const waiter of entry.queue?.values() ?? []) {
    if (!isCompatible(entry, waiter.claim)) break;
    entry.queue?.delete(waiter.owner);
    waiter.grant(grantOf(addHolder(store, entry, waiter, now), waiter.calledAt));
  }
  watchExpiry(store, key, entry, now);
  if (entry.holders.length > 0) return;
  store.entries.delete(key);
  const watchers = store.watchers.get(key);
  if (watchers) for (const watcher of watchers) watcher.wake();
}

/** What the holder is told; its validity counts from `calledAt`. */
export function grantOf({ token, tokens, expiresAt }: Holder, calledAt: number): Granted {
  const reserved = token === undefined ? undefined : tokens;
  return { status: 'granted', fencingToken: token, tokens: reserved, validForMs: expiresAt - calledAt };
}

/** Keeps a timer at the end of the first hold while somebody waits, and none otherwise. */
export function watchExpiry(store: OpenStore, key: string, entry: Entry, now: number): void {
  if (!entry.queue?.size) {
    if (entry.timer !== undefined) store.clock.clearTimeout(entry.timer);
    entry.timer = undefined;
    return;
  }
  // A timer that stands too early looks again; so a renewal costs no timer.
  if (entry.timer !== undefined) {
    if (entry.timerAt <= entry.expiresBy) return;
    store.clock.clearTimeout(entry.timer);
  }
  const delayMs = Math.min(Math.ceil(entry.expiresBy - now), LONGEST_TIMER_MS);
  entry.timerAt = now + delayMs;
  entry.timer = store.clock.setTimeout(() => {
    entry.timer = undefined;
    // Node may fire a little early, and then it looks again.
    settle(store, key, entry, store.clock.now());
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
  for (const [key, entry] of store.entries) if (entry.expiresBy <= now) settle(store, key, entry, now);
  store.sweepAt = Math.max(1_024, store.entries.size * 2);
}
