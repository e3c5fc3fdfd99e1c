import type { Hold } from './hold.ts';
import type { LeaseGroup } from './lease-timers.ts';
import type { Granted, HoldRef } from './lock-adapter.ts';
import type { AcquireRequest } from './request.ts';
import type { TimedEntry } from './timer-heap.ts';

/** How much earlier than the backend we end a lease: 1 % for clocks that run apart, 2 ms for timers (redis.io, Redlock). */
const driftMs = (ttlMs: number): number => ttlMs * 0.01 + 2;

/** Until when a lease is good that the backend gave for `validForMs` in answer to a call of `sentAt` (H47). */
export function leaseDeadline(sentAt: number, validForMs: number, ttlMs: number): number {
  return sentAt + validForMs - driftMs(Math.min(validForMs, ttlMs));
}

/**
 * One hold in the backend and the time for which it is good. Inside the process it may pass from one holder to the next,
 * while the backend keeps seeing one hold.
 */
export class Lease implements TimedEntry, HoldRef {
  readonly key: string;
  readonly owner: string;
  readonly fencingToken: bigint | undefined;
  readonly request: AcquireRequest;
  readonly autoRenew: boolean;
  /** How many other clients were waiting when it was granted, and then when it was released; `undefined` where the backend cannot tell. */
  waiting: number | undefined;
  /** When the backend granted it: the begin of a local run. */
  readonly since: number;
  /** The holder in this process. */
  hold: Hold;
  /** Given back or lost: nothing more is sent for it. */
  over = false;
  ttlMs: number;
  /** Monotonic ms from which another may have the lock. */
  deadline: number;
  /** Monotonic ms of the next renewal; Infinity without the watchdog. */
  renewAt: number = Number.POSITIVE_INFINITY;
  /** The TTL of the newest renewal sent. */
  sentTtlMs: number;
  /** It was renewed at least once. */
  renewed = false;
  /** The leases that have their next time together with this one, and its place among them. */
  group: LeaseGroup | undefined;
  groupIndex = 0;
  /** Settles with the renewal that is on its way. */
  renewing: Promise<void> | undefined;
  /**
   * The shortest TTL of a renewal without an answer. It may yet arrive after one with a longer TTL, so no belief goes
   * beyond it.
   */
  shortestUnknownMs: number = Number.POSITIVE_INFINITY;
  /** Reserved fencing tokens that no holder has had yet. */
  tokensLeft: number;
  handOvers = 0;
  /** How often all who stood in line at a time had their turn, and since when those of now have it. */
  laps = 0;
  lapSince: number;
  at = 0;
  heapIndex = -1;
  readonly #onTime: (lease: Lease, now: number) => void;

  constructor(
    request: AcquireRequest,
    granted: Granted,
    terms: { autoRenew: boolean; deadline: number; since: number; hold: Hold },
    onTime: (lease: Lease, now: number) => void,
  ) {
    this.key = request.key;
    this.owner = request.owner;
    this.request = request;
    this.fencingToken = granted.fencingToken;
    this.waiting = granted.waiting;
    this.tokensLeft = (granted.tokens ?? 1) - 1;
    this.ttlMs = request.ttlMs;
    this.sentTtlMs = request.ttlMs;
    this.autoRenew = terms.autoRenew;
    this.deadline = terms.deadline;
    this.since = terms.since;
    this.lapSince = terms.since;
    this.hold = terms.hold;
    this.#onTime = onTime;
  }

  onWaiting(others: number): void {
    // Of several servers each may have seen some.
    this.waiting = Math.max(this.waiting ?? 0, others);
  }

  fire(now: number): void {
    this.#onTime(this, now);
  }
}
