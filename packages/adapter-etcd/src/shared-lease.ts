import { castGrpcError, type Etcd3 } from 'etcd3';
import type { CallOptions, Endpoints } from './endpoints.ts';

/** An etcd lease under which many holds and waiters of one TTL have their keys. */
export interface SharedLease {
  readonly id: string;
  /** The TTL that its holds have; the lease itself is longer. */
  readonly ttlMs: number;
  /** Monotonic ms before which etcd cannot end it: counted from the *send* of the last answered keep-alive (H47). */
  readonly goodUntil: number;
  /** Monotonic ms of the last answer to a keep-alive. */
  readonly answeredAt: number;
  /** etcd says that it is gone, and all its keys with it. */
  readonly ended: boolean;
  /** Keys that it had at the last look, and when the request for that was sent. */
  readonly keys: ReadonlySet<string>;
  readonly listedAt: number;
  /** Prolongs it; concurrent calls share one request. */
  keepAlive(): Promise<void>;
  /** Looks which keys it has now; the request is sent after this call. */
  list(): Promise<void>;
  /** Prolongs it and now and then looks, for the sake of keys that nobody knows of; fails only with the keep-alive. */
  refresh(): Promise<void>;
  /** Keeps it alive while somebody waits under it, and tells him when it ends or is not answered about. */
  attend(wake: () => void): () => void;
  /** Is told from now on that it is gone: by a call that found out otherwise. */
  end(): void;
}

const longestBeatMs = 2_000;

export function createSharedLease(
  endpoints: Endpoints,
  granted: { id: string; ttlMs: number; goodUntil: number },
  onList: (keys: ReadonlySet<string>) => void,
): SharedLease {
  const { id, ttlMs } = granted;
  let { goodUntil } = granted;
  let answeredAt = performance.now();
  let ended = false;
  let keys: ReadonlySet<string> = new Set();
  let listedAt = Number.NEGATIVE_INFINITY;
  let extending: Promise<void> | undefined;
  let listing: Promise<void> | undefined;
  let listingNext: Promise<void> | undefined;
  const attendants = new Set<() => void>();
  let beat: NodeJS.Timeout | undefined;

  function end(): void {
    ended = true;
    keys = new Set();
    wakeAll();
  }

  function wakeAll(): void {
    for (const wake of attendants) wake();
  }

  async function extend(): Promise<void> {
    const sentAt = performance.now();
    const seconds = await endpoints.call((client, options) => keepAliveOnce(client, id, options));
    answeredAt = performance.now();
    if (seconds <= 0) end();
    else goodUntil = Math.max(goodUntil, sentAt + seconds * 1_000);
  }

  async function look(): Promise<void> {
    const sentAt = performance.now();
    const answer = await endpoints.call((client, options) =>
      client.leaseClient.leaseTimeToLive({ ID: id, keys: true }, options),
    );
    // What is left is rounded down to whole seconds; only a lease that is not there was granted nothing.
    if (Number(answer.grantedTTL) <= 0) return end();
    listedAt = sentAt;
    keys = new Set(answer.keys.map(String));
    onList(keys);
  }

  const lease: SharedLease = {
    id,
    ttlMs,
    get goodUntil() {
      return goodUntil;
    },
    get answeredAt() {
      return answeredAt;
    },
    get ended() {
      return ended;
    },
    get keys() {
      return keys;
    },
    get listedAt() {
      return listedAt;
    },
    keepAlive() {
      extending ??= extend().finally(() => {
        extending = undefined;
      });
      return extending;
    },
    list() {
      if (listing === undefined) {
        listing = look().finally(() => {
          listing = undefined;
        });
        return listing;
      }
      // The one on its way may have been answered before this call: those who come now share the next one.
      listingNext ??= listing.then(anyway, anyway).then(() => {
        listingNext = undefined;
        return lease.list();
      });
      return listingNext;
    },
    refresh() {
      // Such keys are rare, and a look costs the more the more keys there are.
      if (listing === undefined && listedAt < performance.now() - ttlMs / 3) lease.list().catch(anyway);
      return lease.keepAlive();
    },
    attend(wake) {
      attendants.add(wake);
      beat ??= setInterval(() => lease.refresh().catch(wakeAll), Math.min(ttlMs / 3, longestBeatMs)).unref();
      return () => {
        attendants.delete(wake);
        if (attendants.size > 0) return;
        clearInterval(beat);
        beat = undefined;
      };
    },
    end,
  };
  return lease;
}

const anyway = (): void => {};

/**
 * One keep-alive on a stream of its own, with a deadline: a stream that lasts can be stuck or closed without a word (H79).
 * Answers the lease's TTL in seconds, 0 when it is gone.
 */
async function keepAliveOnce(client: Etcd3, id: string, options: CallOptions): Promise<number> {
  const stream = await client.leaseClient.leaseKeepAlive(options);
  return new Promise((resolve, reject) => {
    stream.on('data', (answer) => resolve(Number(answer.TTL)));
    stream.on('error', (error) => reject(castGrpcError(error)));
    stream.on('end', () => reject(new Error('etcd closed the keep-alive stream without an answer')));
    stream.write({ ID: id });
    stream.end();
  });
}
