import type { Endpoints } from './endpoints.ts';
import { deleteKey, type QueueKey } from './requests.ts';
import type { SharedLease } from './shared-lease.ts';

/** What this adapter knows of one owner's key. */
export interface LockKey {
  /** The key in etcd. */
  readonly key: string;
  /** The same, as etcd takes it; set by the first call that needed it. */
  keys: QueueKey | undefined;
  /** Set while the owner holds the lock: the lease that its key is under, as far as is known. */
  lease: SharedLease | undefined;
  /** The key's create revision, which is the fencing token. */
  token: string | undefined;
  /** Calls about it that are under way. */
  calls: number;
  /** Monotonic ms until which the key is wanted; then it is deleted, although its lease lives on with other keys. */
  expiresAt: number;
  /** Monotonic ms of the request that last showed the key to be there. */
  seenAt: number;
  /** A release or a deletion was sent: nothing brings this place back. */
  over: boolean;
  /** The deletion under way. */
  deletion: Promise<void> | undefined;
  deletions: number;
  /** Has its waiter look again. */
  wake: (() => void) | undefined;
}

/**
 * The keys of one adapter. A shared lease keeps all its keys alive, also those that nobody wants any more: a hold that is not
 * renewed, or what a call made whose answer never came (H80). Those are deleted from here.
 */
export interface LockKeys {
  get(key: string): LockKey | undefined;
  /** Begins a call about a key, before anything is sent: while it lasts, the key is not taken for an orphan. */
  begin(key: string): LockKey;
  /** Ends that call. */
  end(place: LockKey): void;
  /** Takes a grant or a renewal in. */
  hold(place: LockKey, lease: SharedLease, token: string, seenAt: number, untilMs: number): void;
  /** The key is gone. */
  forget(place: LockKey): void;
  /** Deletes what is under a lease and belongs to nobody. */
  clear(listed: ReadonlySet<string>): void;
  /** Whether a lease may have keys that are wanted. */
  uses(lease: SharedLease): boolean;
  /** Gives up the places of those who wait, and stops deleting. */
  close(): void;
}

// Looking at all places costs a little, so not more often than this.
const sweepMs = 20;
const longestTimerMs = 2 ** 31 - 1;
// Where etcd does not answer for as long as these take, its lease is not kept alive either; if it is, `clear` finds the key.
const mostDeletions = 6;

export function createLockKeys(endpoints: Endpoints): LockKeys {
  const places = new Map<string, LockKey>();
  let timer: NodeJS.Timeout | undefined;
  let timerAt = Number.POSITIVE_INFINITY;

  function make(key: string): LockKey {
    const place: LockKey = {
      key,
      keys: undefined,
      lease: undefined,
      token: undefined,
      calls: 0,
      expiresAt: 0,
      seenAt: Number.NEGATIVE_INFINITY,
      over: false,
      deletion: undefined,
      deletions: 0,
      wake: undefined,
    };
    places.set(key, place);
    return place;
  }

  function sweepAt(at: number): void {
    if (at >= timerAt || endpoints.closed !== undefined) return;
    clearTimeout(timer);
    timerAt = at;
    timer = setTimeout(sweep, Math.min(Math.max(at - performance.now(), sweepMs), longestTimerMs)).unref();
  }

  function sweep(): void {
    timerAt = Number.POSITIVE_INFINITY;
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const place of places.values()) {
      if (place.calls > 0 || place.deletion !== undefined) continue;
      if (place.expiresAt <= now) deleteOrphan(place);
      else next = Math.min(next, place.expiresAt);
    }
    sweepAt(next);
  }

  /** Deletes a key for good, until etcd has answered. */
  function deleteOrphan(place: LockKey): void {
    place.over = true;
    place.lease = undefined;
    place.deletions += 1;
    place.deletion = endpoints
      .call((client, options) => deleteKey(client, options, Buffer.from(place.key)))
      .then(
        () => forget(place),
        () => {
          place.deletion = undefined;
          if (place.deletions >= mostDeletions) return forget(place);
          place.expiresAt = performance.now() + 250 * 2 ** place.deletions;
          sweepAt(place.expiresAt);
        },
      );
  }

  function forget(place: LockKey): void {
    place.over = true;
    place.lease = undefined;
    place.deletion = undefined;
    place.expiresAt = 0;
    if (places.get(place.key) === place) places.delete(place.key);
    place.wake?.();
  }

  return {
    get: (key) => places.get(key),
    begin(key) {
      const place = places.get(key) ?? make(key);
      place.calls += 1;
      return place;
    },
    end(place) {
      place.calls -= 1;
      if (place.calls > 0) return;
      const known = places.get(place.key);
      if (place.expiresAt === 0) {
        if (known === place) places.delete(place.key);
        return;
      }
      // A request that was on its way when the owner was released may have made the key again.
      if (known === undefined) places.set(place.key, place);
      sweepAt(place.expiresAt);
    },
    hold(place, lease, token, seenAt, until) {
      if (place.over) return;
      place.lease = lease;
      place.token = token;
      place.seenAt = seenAt;
      place.expiresAt = until;
      sweepAt(until);
    },
    forget,
    clear(listed) {
      for (const key of listed) if (!places.has(key)) deleteOrphan(make(key));
    },
    uses: (lease) => [...places.values()].some((place) => place.lease === lease || place.calls > 0),
    close() {
      for (const place of places.values()) if (place.wake !== undefined) deleteOrphan(place);
      clearTimeout(timer);
      timer = undefined;
    },
  };
}
