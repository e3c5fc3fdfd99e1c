import type { Endpoints } from './endpoints.ts';
import { deleteKey, type PlaceKeys } from './requests.ts';
import type { SharedLease } from './shared-lease.ts';

/** What this adapter knows of one owner's key. */
export interface Place {
  /** The key in etcd. */
  readonly key: string;
  /** The same, as etcd takes it; set by the first call that needed it. */
  keys: PlaceKeys | undefined;
  /** Set while the owner holds the lock: the lease that its key is under, as far as is known. */
  lease: SharedLease | undefined;
  /** The key's create revision, which is the fencing token. */
  token: string | undefined;
  /** Calls about it that are under way. */
  calls: number;
  /** Monotonic ms until which the key is wanted; then it is deleted, although its lease lives on with other keys. */
  wantedUntil: number;
  /** Monotonic ms of the request that last showed the key to be there. */
  seenAt: number;
  /** A release or a deletion was sent: nothing brings this place back. */
  over: boolean;
  /** The deletion under way. */
  burial: Promise<void> | undefined;
  burials: number;
  /** Has its waiter look again. */
  wake: (() => void) | undefined;
}

/**
 * The keys of one adapter. A shared lease keeps all its keys alive, also those that nobody wants any more: a hold that is not
 * renewed, or what a call made whose answer never came (H80). Those are deleted from here.
 */
export interface Places {
  get(key: string): Place | undefined;
  /** Begins a call about a key, before anything is sent: while it lasts, the key is not taken for an orphan. */
  begin(key: string): Place;
  /** Ends that call. */
  end(place: Place): void;
  /** Takes a grant or a renewal in. */
  hold(place: Place, lease: SharedLease, token: string, seenAt: number, untilMs: number): void;
  /** The key is gone. */
  forget(place: Place): void;
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
const mostBurials = 6;

export function createPlaces(endpoints: Endpoints): Places {
  const places = new Map<string, Place>();
  let timer: NodeJS.Timeout | undefined;
  let timerAt = Number.POSITIVE_INFINITY;

  function make(key: string): Place {
    const place: Place = {
      key,
      keys: undefined,
      lease: undefined,
      token: undefined,
      calls: 0,
      wantedUntil: 0,
      seenAt: Number.NEGATIVE_INFINITY,
      over: false,
      burial: undefined,
      burials: 0,
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
      if (place.calls > 0 || place.burial !== undefined) continue;
      if (place.wantedUntil <= now) bury(place);
      else next = Math.min(next, place.wantedUntil);
    }
    sweepAt(next);
  }

  /** Deletes a key for good, until etcd has answered. */
  function bury(place: Place): void {
    place.over = true;
    place.lease = undefined;
    place.burials += 1;
    place.burial = endpoints
      .call((client, options) => deleteKey(client, options, Buffer.from(place.key)))
      .then(
        () => forget(place),
        () => {
          place.burial = undefined;
          if (place.burials >= mostBurials) return forget(place);
          place.wantedUntil = performance.now() + 250 * 2 ** place.burials;
          sweepAt(place.wantedUntil);
        },
      );
  }

  function forget(place: Place): void {
    place.over = true;
    place.lease = undefined;
    place.burial = undefined;
    place.wantedUntil = 0;
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
      if (place.wantedUntil === 0) {
        if (known === place) places.delete(place.key);
        return;
      }
      // A request that was on its way when the owner was released may have made the key again.
      if (known === undefined) places.set(place.key, place);
      sweepAt(place.wantedUntil);
    },
    hold(place, lease, token, seenAt, until) {
      if (place.over) return;
      place.lease = lease;
      place.token = token;
      place.seenAt = seenAt;
      place.wantedUntil = until;
      sweepAt(until);
    },
    forget,
    clear(listed) {
      for (const key of listed) if (!places.has(key)) bury(make(key));
    },
    uses: (lease) => [...places.values()].some((place) => place.lease === lease || place.calls > 0),
    close() {
      for (const place of places.values()) if (place.wake !== undefined) bury(place);
      clearTimeout(timer);
      timer = undefined;
    },
  };
}
