import { performance } from 'node:perf_hooks';
import { clearInterval, setInterval } from 'node:timers';
import { systemClock } from '@holdfast/lock-core';
import { castGrpcError, type Etcd3 } from 'etcd3';
import { secondsIn } from './answers.ts';
import type { CallOptions } from './authentication.ts';
import type { Endpoints } from './endpoints.ts';

/** How a lease was granted. */
export interface GrantedLease {
  readonly id: string;
  readonly ttlMs: number;
  readonly sentAt: Moment;
  readonly seconds: number;
}

/** A moment on both clocks. */
export interface Moment {
  /** Monotonic ms. */
  readonly at: number;
  readonly wallAt: number;
}

export const momentNow = (): Moment => ({ at: performance.now(), wallAt: systemClock.wallNow() });

const longestBeatMs = 2_000;

/** An etcd lease that the keys of many holds and waiters of one TTL are attached to. */
export class SharedLease {
  readonly id: string;
  /** The TTL of its holds; the lease itself is longer. */
  readonly ttlMs: number;
  /** Monotonic ms of the last answer to a keep-alive. */
  answeredAt: number = performance.now();
  /** etcd has ended it and deleted all its keys. */
  ended: boolean = false;
  /** It has a key that etcd refuses to delete, so it is left to end: what is held and waits moves to another lease. */
  retired: boolean = false;
  #extendedAt: Moment;
  #extendedMs: number;
  readonly #endpoints: Endpoints;
  readonly #onList: (keys: ReadonlySet<string>) => void;
  readonly #attendants = new Set<() => void>();
  #listedAt = Number.NEGATIVE_INFINITY;
  #extending: Promise<void> | undefined;
  #listing: Promise<void> | undefined;
  #beat: NodeJS.Timeout | undefined;

  constructor(endpoints: Endpoints, granted: GrantedLease, onList: (keys: ReadonlySet<string>) => void) {
    this.id = granted.id;
    this.ttlMs = granted.ttlMs;
    this.#extendedAt = granted.sentAt;
    this.#extendedMs = granted.seconds * 1_000;
    this.#endpoints = endpoints;
    this.#onList = onList;
  }

  /**
   * Monotonic ms before which etcd cannot end it: counted from the *send* of the last answered keep-alive (H47). The monotonic
   * clock stands still while the machine sleeps, and etcd's does not.
   */
  get goodUntil(): number {
    const { at, wallAt } = this.#extendedAt;
    const sleptMs = systemClock.wallNow() - wallAt - (performance.now() - at);
    return at + this.#extendedMs - Math.max(0, sleptMs);
  }

  /** Extends the lease; concurrent calls share one request. */
  keepAlive(): Promise<void> {
    this.#extending ??= this.#extend().finally(() => {
      this.#extending = undefined;
    });
    return this.#extending;
  }

  /** Extends the lease and, once per TTL, lists its keys to find unknown ones. Fails only if the keep-alive fails. */
  refresh(): Promise<void> {
    this.findOrphans();
    return this.keepAlive();
  }

  /** Lists its keys unless that was done less than a TTL ago. Such keys are rare, and the list grows with the keys. */
  findOrphans(): void {
    if (this.#listing !== undefined || this.#listedAt > performance.now() - this.ttlMs) return;
    this.#listing = this.#list()
      .catch(() => {})
      .finally(() => {
        this.#listing = undefined;
      });
  }

  /** Keeps the lease alive while somebody waits under it, and notifies the waiters if it ends or etcd does not answer. */
  attend(wake: () => void): () => void {
    this.#attendants.add(wake);
    const beatMs = Math.min(this.ttlMs / 3, longestBeatMs);
    this.#beat ??= setInterval(() => this.refresh().catch(() => this.#wakeAll()), beatMs).unref();
    return () => {
      this.#attendants.delete(wake);
      if (this.#attendants.size > 0) return;
      clearInterval(this.#beat);
      this.#beat = undefined;
    };
  }

  /** Records that it is gone, as some call has found out. */
  end(): void {
    this.ended = true;
    this.#wakeAll();
  }

  /** Is kept alive no more, for it would keep a key that nobody wants. */
  retire(): void {
    this.retired = true;
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const wake of this.#attendants) wake();
  }

  async #extend(): Promise<void> {
    const sentAt = momentNow();
    const seconds = await this.#endpoints.call((client, options) => keepAliveOnce(client, this.id, options));
    this.answeredAt = performance.now();
    if (seconds <= 0) return this.end();
    this.#extendedAt = sentAt;
    this.#extendedMs = seconds * 1_000;
  }

  async #list(): Promise<void> {
    this.#listedAt = performance.now();
    const { grantedTTL, keys } = await this.#endpoints.call((client, options) =>
      client.leaseClient.leaseTimeToLive({ ID: this.id, keys: true }, options),
    );
    // The time left is rounded down to whole seconds; only a lease that does not exist was granted nothing.
    if (secondsIn(grantedTTL, 'the TTL of a lease') <= 0) return this.end();
    this.#onList(new Set(keys.map(String)));
  }
}

/**
 * One keep-alive on a stream of its own, with a deadline: a lasting stream can hang or be closed silently (H79).
 * Returns the lease's TTL in seconds, or 0 if the lease is gone.
 */
async function keepAliveOnce(client: Etcd3, id: string, options: CallOptions): Promise<number> {
  const stream = await client.leaseClient.leaseKeepAlive(options);
  return new Promise((resolve, reject) => {
    stream.on('data', (answer) => {
      // Not earlier: the gRPC proxy of etcd answers nothing once our side has ended.
      stream.end();
      try {
        resolve(secondsIn(answer.TTL, 'the TTL of a lease'));
      } catch (error) {
        reject(error);
      }
    });
    stream.on('error', (error) => reject(castGrpcError(error)));
    stream.on('end', () => reject(new Error('etcd closed the keep-alive stream without an answer')));
    stream.write({ ID: id });
  });
}
