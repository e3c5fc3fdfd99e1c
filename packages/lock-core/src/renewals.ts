import {
  checkRenewReplies,
  checkRenewReply,
  isRefusal,
  isWithoutEffect,
  leaseDeadline,
  leavesHold,
} from './adapter-replies.ts';
import { callWithTimeout } from './backend-call.ts';
import type { Context } from './context.ts';
import { channels } from './diagnostics.ts';
import { lost } from './errors.ts';
import { type Lease, sleptMs } from './lease.ts';
import type { LockAdapter, RenewOutcome } from './lock-adapter.ts';
import { attemptTimeout } from './options.ts';
import { longestArrivalMs } from './orphan-cleanup.ts';
import { expireIfDue, loseLease } from './release.ts';

/** One renewal on its way: of one lease or, in a batch, of many. */
interface Sent {
  readonly leases: readonly Lease[];
  readonly ttlMs: number;
  readonly at: number;
  /** How far the wall clock was ahead at that moment. */
  readonly wallAhead: number;
  readonly call: 'renew' | 'downgrade';
}

/** Sends renewals in batches and takes in what comes back: renewed, lost, nothing, or something too late. */
export class Renewals {
  readonly #context: Context;
  // By TTL, since a batch has one.
  #due = new Map<number, Lease[]>();

  constructor(context: Context) {
    this.#context = context;
  }

  /** Sends the renewal of the lease at the end of this turn, together with all that are due in it. */
  queue(lease: Lease, ttlMs: number): void {
    if (this.#due.size === 0) void Promise.resolve().then(() => this.#sendDue());
    const batch = this.#due.get(ttlMs);
    if (batch === undefined) this.#due.set(ttlMs, [lease]);
    else batch.push(lease);
    lease.renewAt = Number.POSITIVE_INFINITY;
    this.#schedule(lease);
  }

  #sendDue(): void {
    const batches = this.#due;
    this.#due = new Map();
    for (const [ttlMs, batch] of batches) {
      for (const leases of byGrace(batch.filter(({ over, renewal }) => !over && renewal === undefined))) {
        if (this.#context.adapter.renewMany !== undefined && leases.length > 1) void this.send(leases, ttlMs);
        else for (const lease of leases) void this.send([lease], ttlMs);
      }
    }
  }

  /** Renews leases for one TTL and one grace, or downgrades one. Never rejects; gives the failure if there was no usable answer. */
  send(leases: readonly Lease[], ttlMs: number, call: Sent['call'] = 'renew'): Promise<{ cause: unknown } | undefined> {
    const { settings, timers } = this.#context;
    const at = settings.clock.now();
    const sent: Sent = { leases, ttlMs, at, wallAhead: settings.clock.wallNow() - at, call };
    // Of three renewals two may stay without an answer, and the third still comes in time (H51, H58).
    const withinMs = Math.min(attemptTimeout(settings, ttlMs), ttlMs / 6);
    const take = (outcomes: readonly RenewOutcome[]): { cause: unknown } | undefined => this.#answered(sent, outcomes);
    const done = callWithTimeout(timers, at, withinMs, () => this.#call(sent), take).then(
      (outcomes) => {
        settle(leases);
        return take(outcomes);
      },
      (cause: unknown) => {
        settle(leases);
        if (leases.length > 1 && isRefusal(cause)) this.#sendHalves(sent);
        else for (const lease of leases) this.#failed(sent, lease, cause);
        return { cause };
      },
    );
    const settled = done.then(() => {});
    for (const lease of leases) {
      lease.renewal = settled;
      lease.sentMs = ttlMs;
    }
    return done;
  }

  /** The backend may have refused the batch for the sake of one key: the others are not to be lost for it. */
  #sendHalves({ leases, ttlMs }: Sent): void {
    const rest = leases.filter(({ over }) => !over);
    const middle = Math.ceil(rest.length / 2);
    for (const half of [rest.slice(0, middle), rest.slice(middle)]) if (half.length > 0) void this.send(half, ttlMs);
  }

  async #call({ leases, ttlMs, call }: Sent): Promise<readonly RenewOutcome[]> {
    const { adapter } = this.#context;
    const [only] = leases;
    if (only === undefined) return [];
    const askedMs = ttlMs + only.graceMs;
    if (leases.length > 1 && adapter.renewMany !== undefined) {
      return checkRenewReplies(adapter, await adapter.renewMany(leases, askedMs));
    }
    if (call === 'renew') return [await adapter.renew(only, askedMs)];
    return [await (adapter.downgrade as NonNullable<LockAdapter['downgrade']>).call(adapter, only, askedMs)];
  }

  #answered(sent: Sent, outcomes: readonly RenewOutcome[]): { cause: unknown } | undefined {
    const { adapter, settings } = this.#context;
    const now = settings.clock.now();
    // The time asleep since the renewal was sent counts before anybody sees the new deadline.
    const slept = sleptMs(settings.clock.wallNow() - now - sent.wallAhead) > 0;
    let failure: { cause: unknown } | undefined;
    let i = 0;
    for (const lease of sent.leases) {
      try {
        this.#apply(sent, lease, checkRenewReply(adapter, sent.call, lease.key, outcomes[i++] as RenewOutcome), now);
      } catch (cause) {
        // A reply of no shape is an unknown outcome, not a refusal: the lease may still be renewed in time.
        failure = { cause: new Error((cause as Error).message) };
        this.#failed(sent, lease, failure.cause);
      }
    }
    for (const lease of slept ? sent.leases : []) expireIfDue(this.#context, lease);
    return failure;
  }

  #apply(sent: Sent, lease: Lease, outcome: RenewOutcome, now: number): void {
    if (lease.over) return;
    const { adapter } = this.#context;
    tell(adapter.name, lease, outcome.status);
    if (outcome.status === 'lost') {
      const why =
        'the backend says that this owner no longer holds it (it expired, was taken over or released by force)';
      return loseLease(this.#context, lease, lost(lease.key, adapter.name, why), 'is free of it');
    }
    // Whatever the answer, a lease whose time was over before it came stays lost: `loseLease` runs at its deadline.
    if (now >= lease.deadline) return;
    this.#context.refusals.delete(lease);
    const promisedMs = outcome.validForMs - lease.graceMs;
    const validForMs = Math.min(promisedMs, this.#certainMs(sent, lease, now));
    const deadline = leaseDeadline(sent.at, validForMs, sent.ttlMs, now, adapter.capabilities);
    if (deadline > lease.deadline) {
      lease.deadline = deadline;
      lease.wallAhead = sent.wallAhead;
    }
    if (lease.renewing > 0) lease.planRenewal(sent.at, validForMs);
    else {
      // What an older request may still shorten is confirmed until it no longer can.
      lease.confirmUntil = validForMs < promisedMs ? sent.at + promisedMs : 0;
      lease.renewAt = lease.confirmUntil > 0 ? sent.at + validForMs / 3 : Number.POSITIVE_INFINITY;
    }
    lease.grouped = true;
    this.#schedule(lease);
  }

  /**
   * The longest time to count on, whatever else arrives: a request that had no answer may arrive behind this renewal and set
   * a shorter lease, from its arrival on. It limits the lease for as long as it may arrive, and no longer (H113).
   */
  #certainMs({ ttlMs }: Sent, lease: Lease, now: number): number {
    const { settings } = this.#context;
    const { unknown } = lease;
    let certainMs = unknown !== undefined && now < unknown.until ? unknown.ttlMs : Number.POSITIVE_INFINITY;
    if (lease.unanswered > 0 && now < lease.sentAt + longestArrivalMs(settings, lease.ttlMs)) {
      certainMs = Math.min(certainMs, lease.ttlMs);
    }
    // A late answer, when a renewal of another TTL was sent since: only what both allow.
    return ttlMs === lease.sentMs ? certainMs : Math.min(certainMs, lease.sentMs);
  }

  #failed(sent: Sent, lease: Lease, cause: unknown): void {
    if (lease.over) return;
    const { adapter, settings } = this.#context;
    const refused = isRefusal(cause);
    tell(adapter.name, lease, refused ? 'refused' : 'unknown');
    if (refused && !leavesHold(cause)) {
      const error = lost(lease.key, adapter.name, cause.message, cause);
      return loseLease(this.#context, lease, error, 'is to keep it for the grace');
    }
    if (refused) this.#context.refusals.set(lease, cause);
    else this.#context.refusals.delete(lease);
    const now = settings.clock.now();
    if (!isWithoutEffect(cause)) {
      const known = lease.unknown !== undefined && now < lease.unknown.until ? lease.unknown : undefined;
      const until = sent.at + longestArrivalMs(settings, sent.ttlMs);
      lease.unknown = {
        ttlMs: Math.min(known?.ttlMs ?? sent.ttlMs, sent.ttlMs),
        until: Math.max(known?.until ?? until, until),
      };
    }
    if (lease.renewing === 0 && lease.confirmUntil <= now) return;
    const pauseMs = renewPauseMs(lease);
    // Of a batch that was refused as a whole, each is asked for by itself: not too often, but before the end, which may be near.
    const refusedMs = Math.min(lease.renewMs / 6, Math.max(pauseMs, (lease.deadline - now) / 2));
    lease.renewAt = now + (refused ? refusedMs : pauseMs);
    this.#schedule(lease);
  }

  #schedule(lease: Lease): void {
    this.#context.holdTimers.set(lease, lease.dueAt);
  }
}

/** A batch asks for one TTL, which includes the grace. */
function byGrace(leases: readonly Lease[]): Iterable<Lease[] | readonly Lease[]> {
  const graceMs = leases[0]?.graceMs;
  if (leases.every((lease) => lease.graceMs === graceMs)) return [leases];
  const groups = new Map<number, Lease[]>();
  for (const lease of leases) {
    const group = groups.get(lease.graceMs);
    if (group === undefined) groups.set(lease.graceMs, [lease]);
    else group.push(lease);
  }
  return groups.values();
}

/** How long to wait after a renewal that failed. */
export const renewPauseMs = (lease: Lease): number => Math.min(lease.renewMs / 20, 500);

function settle(leases: readonly Lease[]): void {
  for (const lease of leases) lease.renewal = undefined;
}

function tell(adapter: string, { key, owner }: Lease, outcome: string): void {
  if (channels.renew.hasSubscribers) channels.renew.publish({ adapter, key, owner, outcome });
}
