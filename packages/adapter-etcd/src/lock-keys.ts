import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
import type { Claim } from '@holdfast/lock-core';
import type { Endpoints } from './endpoints.ts';
import { isRefusal } from './errors.ts';
import { deletedTogether, deleteVersions, findRevisions } from './key-versions.ts';
import type { QueueKey } from './requests.ts';
import type { SharedLease } from './shared-lease.ts';

/** What this adapter knows of one owner's key. */
export interface LockKey {
  /** The key in etcd. */
  readonly key: string;
  /** The same as etcd takes it; set by the first call that needs it. */
  queueKey: QueueKey | undefined;
  /** Set while the owner holds the lock: the lease that its key is attached to, as far as is known. */
  lease: SharedLease | undefined;
  /** The lease that the last request would attach it to. */
  sentLease: SharedLease | undefined;
  /** The claim of the key, requested or held. */
  claim: Claim | undefined;
  /** How many fencing tokens its first request reserved: every answer to this owner reserves the same number. */
  tokens: number | undefined;
  /** The fencing token of its grant, and the create revision that the token was made of. */
  granted: { readonly token: string; readonly fencingToken: bigint } | undefined;
  /** The create revision of a key that holds the lock; the fencing token is made of it. */
  token: string | undefined;
  /** The revision of the last write of the key, if no other write can have followed. */
  revision: string | undefined;
  /** How many moves to another lease have begun: only the last one continues. */
  moves: number;
  /** The number of calls about it in flight. */
  calls: number;
  /** Monotonic ms until which the key is wanted; then it is deleted, although its lease lives on with other keys. */
  expiresAt: number;
  /** The acquire in flight. */
  acquiring: Promise<unknown> | undefined;
  /** A release was requested: no further acquire is sent. */
  releasing: boolean;
  /** A release or a deletion was sent: this owner is granted nothing any more. */
  over: boolean;
  /** Makes its waiter look again. */
  wake: (() => void) | undefined;
}

/**
 * The keys of one adapter. A shared lease keeps all its keys alive, including those that nobody wants any more: a hold that is not
 * renewed, or the key of a call whose answer never came (H80). Those are deleted from here.
 */
export interface LockKeys {
  get(key: string): LockKey | undefined;
  /** Begins a call about a key, before anything is sent: until the call ends, the key does not count as an orphan. */
  begin(key: string): LockKey;
  /** Ends that call. */
  end(lockKey: LockKey): void;
  /** Records a grant or a renewal: the owner holds the lock until `until`. */
  hold(lockKey: LockKey, lease: SharedLease, token: string, revision: string | undefined, until: number): void;
  /** The key is gone. */
  forget(lockKey: LockKey): void;
  /** Deletes those of the listed keys that belong to nobody. */
  clear(listed: ReadonlySet<string>): void;
  /** Whether a lease may have keys that somebody wants. */
  uses(lease: SharedLease): boolean;
  /** Has all waiters look again, and stops deleting. */
  close(): void;
}

// Checking all keys has a cost, so it is not done more often than this.
const sweepMs = 20;
const longestTimerMs = 2 ** 31 - 1;
const firstPauseMs = 250;
const longestPauseMs = 5_000;
// A lease may outlive what is known of it, because etcd extends all leases when its leader changes.
const leaseGraceMs = 5_000;

export function createLockKeys(endpoints: Endpoints): LockKeys {
  return new KeyRegistry(endpoints);
}

class KeyRegistry implements LockKeys {
  readonly #endpoints: Endpoints;
  readonly #keys = new Map<string, LockKey>();
  readonly #orphans = new Set<LockKey>();
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #deleting = false;

  constructor(endpoints: Endpoints) {
    this.#endpoints = endpoints;
  }

  get(key: string): LockKey | undefined {
    return this.#keys.get(key);
  }

  begin(key: string): LockKey {
    const lockKey = this.#keys.get(key) ?? this.#make(key);
    lockKey.calls += 1;
    return lockKey;
  }

  end(lockKey: LockKey): void {
    lockKey.calls -= 1;
    if (lockKey.calls > 0) return;
    const known = this.#keys.get(lockKey.key);
    if (lockKey.expiresAt === 0) {
      if (known === lockKey) this.#keys.delete(lockKey.key);
      return;
    }
    // A request that was in flight when the owner was released may have created the key again.
    if (known === undefined) this.#keys.set(lockKey.key, lockKey);
    this.#sweepAt(lockKey.expiresAt);
  }

  hold(lockKey: LockKey, lease: SharedLease, token: string, revision: string | undefined, until: number): void {
    if (lockKey.over) return;
    lockKey.lease = lease;
    lockKey.sentLease = lease;
    lockKey.token = token;
    lockKey.revision = revision;
    lockKey.expiresAt = until;
    this.#sweepAt(until);
  }

  forget(lockKey: LockKey): void {
    lockKey.over = true;
    lockKey.lease = undefined;
    lockKey.expiresAt = 0;
    this.#orphans.delete(lockKey);
    if (this.#keys.get(lockKey.key) === lockKey) this.#keys.delete(lockKey.key);
    lockKey.wake?.();
  }

  clear(listed: ReadonlySet<string>): void {
    for (const key of listed) if (!this.#keys.has(key)) this.#deleteOrphan(this.#make(key));
  }

  uses(lease: SharedLease): boolean {
    return [...this.#keys.values()].some((lockKey) => lockKey.lease === lease || lockKey.calls > 0);
  }

  close(): void {
    for (const lockKey of this.#keys.values()) lockKey.wake?.();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #make(key: string): LockKey {
    const lockKey: LockKey = {
      key,
      queueKey: undefined,
      lease: undefined,
      sentLease: undefined,
      claim: undefined,
      tokens: undefined,
      granted: undefined,
      token: undefined,
      revision: undefined,
      moves: 0,
      calls: 0,
      expiresAt: 0,
      acquiring: undefined,
      releasing: false,
      over: false,
      wake: undefined,
    };
    this.#keys.set(key, lockKey);
    return lockKey;
  }

  #sweepAt(at: number): void {
    if (at >= this.#timerAt || this.#endpoints.closed !== undefined) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    const pauseMs = Math.min(Math.max(at - performance.now(), sweepMs), longestTimerMs);
    this.#timer = setTimeout(() => this.#sweep(), pauseMs).unref();
  }

  #sweep(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const lockKey of this.#keys.values()) {
      if (lockKey.calls > 0 || this.#orphans.has(lockKey)) continue;
      if (lockKey.expiresAt <= now) this.#deleteOrphan(lockKey);
      else next = Math.min(next, lockKey.expiresAt);
    }
    this.#sweepAt(next);
  }

  #deleteOrphan(lockKey: LockKey): void {
    lockKey.over = true;
    lockKey.lease = undefined;
    this.#orphans.add(lockKey);
    void this.#deleteOrphans();
  }

  /**
   * Deletes all orphans, many with one request and one request at a time, until etcd answers. An orphan whose lease is over needs no
   * request. So neither requests nor memory grow with the length of an outage (H116).
   */
  async #deleteOrphans(): Promise<void> {
    if (this.#deleting) return;
    this.#deleting = true;
    let pauseMs = firstPauseMs;
    while (this.#orphans.size > 0) {
      const batch = [...this.#orphans].slice(0, deletedTogether);
      try {
        await this.#deleteAll(batch);
        for (const lockKey of batch) this.forget(lockKey);
        pauseMs = firstPauseMs;
      } catch (error) {
        if (isRefusal(error)) for (const { sentLease } of batch) sentLease?.retire();
        if (this.#endpoints.closed !== undefined) break;
        await new Promise((resolve) => setTimeout(resolve, pauseMs).unref());
        pauseMs = Math.min(pauseMs * 2, longestPauseMs);
        this.#dropEnded();
      }
    }
    this.#deleting = false;
  }

  async #deleteAll(batch: readonly LockKey[]): Promise<void> {
    const keys = batch.map(({ key, token }) => ({ key: Buffer.from(key), token }));
    const unknown = keys.filter(({ token }) => token === undefined);
    const found = await this.#endpoints.call((client, options) =>
      findRevisions(
        client,
        options,
        unknown.map(({ key }) => key),
      ),
    );
    const versions = [
      ...keys.map(({ key, token }) => ({ key, token })),
      ...unknown.map(({ key }, i) => ({ key, token: found[i] })),
    ].flatMap(({ key, token }) => (token === undefined ? [] : [{ key, token }]));
    await this.#endpoints.call((client, options) => deleteVersions(client, options, versions));
  }

  #dropEnded(): void {
    const now = performance.now();
    for (const lockKey of this.#orphans) {
      const { sentLease } = lockKey;
      if (sentLease !== undefined && (sentLease.ended || sentLease.goodUntil + leaseGraceMs < now))
        this.forget(lockKey);
    }
  }
}
