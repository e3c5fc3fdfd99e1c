import { bounded } from './backend-call.ts';
import type { Core } from './context.ts';
import { channels } from './diagnostics.ts';
import { isLockError } from './errors.ts';
import { lost } from './failures.ts';
import { type Lease, leaseDeadline } from './lease.ts';
import type { RenewOutcome } from './lock-adapter.ts';
import { attemptTimeout } from './options.ts';

export interface Renewals {
  /** Sends the lease's renewal at the end of this turn, together with all that are due in it. */
  queue(lease: Lease): void;
  /** Renews leases of one TTL. Never rejects; the failure if there was no answer. */
  send(leases: readonly Lease[], ttlMs: number): Promise<{ cause: unknown } | undefined>;
  /** Sets the time of the next renewal after an answer. */
  plan(lease: Lease, sentAt: number, validForMs: number): void;
  /** How long to wait after a failure. */
  pauseMs(lease: Lease): number;
}

/** Sends renewals in batches and takes in what comes back: renewed, lost, nothing, or something too late. */
export function createRenewals(core: Core, schedule: (lease: Lease) => void): Renewals {
  const { adapter, timers, settings } = core;
  const now = settings.clock.now;
  // By TTL, since a batch has one.
  let due = new Map<number, Lease[]>();

  function queue(lease: Lease): void {
    if (due.size === 0) queueMicrotask(sendDue);
    const batch = due.get(lease.ttlMs);
    if (batch === undefined) due.set(lease.ttlMs, [lease]);
    else batch.push(lease);
    lease.renewAt = Number.POSITIVE_INFINITY;
    schedule(lease);
  }

  function sendDue(): void {
    const batches = due;
    due = new Map();
    for (const [ttlMs, batch] of batches) {
      const leases = batch.filter((lease) => !lease.over && lease.renewing === undefined);
      if (adapter.renewMany !== undefined && leases.length > 1) void send(leases, ttlMs);
      else for (const lease of leases) void send([lease], ttlMs);
    }
  }

  function send(leases: readonly Lease[], ttlMs: number): Promise<{ cause: unknown } | undefined> {
    const sentAt = now();
    const take = (outcomes: readonly RenewOutcome[]): void => {
      leases.forEach((lease, i) => {
        const outcome = outcomes[i];
        if (outcome === undefined) failed(lease, ttlMs, new Error('the adapter gave no outcome for this hold'));
        else apply(lease, outcome, sentAt, ttlMs);
      });
    };
    // Of three renewals two may stay without an answer, and the third still comes in time (H51, H58).
    const withinMs = Math.min(attemptTimeout(settings, ttlMs), ttlMs / 6);
    const done = bounded(timers, sentAt, withinMs, () => call(leases, ttlMs), take).then(
      (outcomes) => {
        settle(leases);
        take(outcomes);
        return undefined;
      },
      (cause: unknown) => {
        settle(leases);
        for (const lease of leases) failed(lease, ttlMs, cause);
        return { cause };
      },
    );
    const settled = done.then(() => {});
    for (const lease of leases) {
      lease.renewing = settled;
      lease.sentTtlMs = ttlMs;
    }
    return done;
  }

  async function call(leases: readonly Lease[], ttlMs: number): Promise<RenewOutcome[]> {
    const [only] = leases;
    if (leases.length > 1 && adapter.renewMany !== undefined) return adapter.renewMany(leases, ttlMs);
    return only === undefined ? [] : [await adapter.renew(only, ttlMs)];
  }

  function settle(leases: readonly Lease[]): void {
    for (const lease of leases) lease.renewing = undefined;
  }

  function apply(lease: Lease, outcome: RenewOutcome, sentAt: number, ttlMs: number): void {
    if (lease.over) return;
    tell(lease, outcome.status);
    if (outcome.status === 'lost') {
      const why = 'the backend says that this owner has it no more (it expired, or was taken over or force-released)';
      return core.lose(lease.hold, lost(lease.key, adapter.name, why), 'is free of it');
    }
    // Whatever the answer, a lease whose time was over before it came stays lost: `lose` runs at its deadline.
    if (now() >= lease.deadline) return;
    // A late answer, when a renewal of another TTL went out since: only what both allow.
    const bound =
      ttlMs === lease.sentTtlMs ? lease.shortestUnknownMs : Math.min(lease.shortestUnknownMs, lease.sentTtlMs);
    const validForMs = Math.min(outcome.validForMs, bound);
    lease.deadline = Math.max(lease.deadline, leaseDeadline(sentAt, validForMs, ttlMs));
    plan(lease, sentAt, validForMs);
    lease.renewed = true;
    schedule(lease);
  }

  function failed(lease: Lease, ttlMs: number, cause: unknown): void {
    if (lease.over) return;
    tell(lease, 'unknown');
    if (isLockError(cause) && !cause.retryable) {
      return core.lose(lease.hold, lost(lease.key, adapter.name, cause.message, cause), 'may have it');
    }
    lease.shortestUnknownMs = Math.min(lease.shortestUnknownMs, ttlMs);
    if (!lease.autoRenew) return;
    lease.renewAt = now() + pauseMs(lease);
    schedule(lease);
  }

  /** A third of the lease on, on a grid of a sixteenth of that, so that renewals meet in batches. */
  function plan(lease: Lease, sentAt: number, validForMs: number): void {
    if (!lease.autoRenew) return;
    const periodMs = Math.min(lease.ttlMs, validForMs) / 3;
    const gridMs = periodMs / 16;
    lease.renewAt = Math.floor((sentAt + periodMs) / gridMs) * gridMs;
  }

  const pauseMs = (lease: Lease): number => Math.min(lease.ttlMs / 20, 500);

  function tell(lease: Lease, outcome: string): void {
    if (!channels.renew.hasSubscribers) return;
    channels.renew.publish({ adapter: adapter.name, key: lease.key, owner: lease.owner, outcome });
  }

  return { queue, send, plan, pauseMs };
}
