import type { Core, Watchdog } from './context.ts';
import { expired, lost, released, unreachable } from './failures.ts';
import { expireIfDue } from './held-lock.ts';
import type { Hold } from './hold.ts';
import { pause } from './insist.ts';
import { type Lease, leaseDeadline } from './lease.ts';
import { createLeaseTimes } from './lease-timers.ts';
import { createRenewals } from './renewals.ts';
import type { TimedEntry } from './timer-heap.ts';

// How often the wall clock is compared with the monotonic one while a lease is held.
const sleepCheckMs = 1_000;

/**
 * One watchdog for all leases of a `Locks`. It renews them at a third of their time and announces a loss by the clock,
 * whatever becomes of the calls: hung, failed, or never answered (H45, H46, H66, H79).
 */
export function createWatchdog(core: Core): Watchdog {
  const { adapter, timers, settings } = core;
  const { clock } = settings;
  const times = createLeaseTimes(timers);
  const renewals = createRenewals(core, schedule);

  /** When the lease next needs us: a renewal, its deadline, or the end of the holder's time. */
  function schedule(lease: Lease): void {
    times.set(lease, Math.min(lease.renewAt, lease.deadline, lease.hold.holdUntil));
  }

  function onTime(lease: Lease, now: number): void {
    const { hold } = lease;
    if (now >= lease.deadline) core.lose(hold, expired(hold.key, adapter.name), 'may have it');
    else if (now >= hold.holdUntil) {
      const why = `it was held for longer than maxHoldMs (${hold.holdUntil - hold.since} ms)`;
      core.lose(hold, lost(hold.key, adapter.name, why), 'may have it');
    } else {
      renewals.queue(lease);
    }
  }

  async function renewNow(hold: Hold, ttlMs: number): Promise<void> {
    const { lease } = hold;
    const begin = clock.now();
    for (;;) {
      while (lease.renewing !== undefined) await lease.renewing;
      if (hold.state !== 'held' || lease.hold !== hold) throw hold.error ?? released(hold.key, adapter.name);
      const sentAt = clock.now();
      if (ttlMs < lease.ttlMs) {
        // From the send on the backend may count the shorter time, so we do, before any answer.
        lease.ttlMs = ttlMs;
        lease.deadline = Math.min(lease.deadline, leaseDeadline(sentAt, ttlMs, ttlMs));
        schedule(lease);
      }
      const failure = await renewals.send([lease], ttlMs);
      // The answer may have come when the lease was over, and is then of no use.
      expireIfDue(core, hold);
      if (failure === undefined && hold.state === 'held') {
        lease.ttlMs = ttlMs;
        return;
      }
      if (failure !== undefined && clock.now() - begin >= settings.backendTimeoutMs) {
        throw unreachable(hold.key, adapter.name, clock.now() - begin, failure.cause);
      }
      if (failure !== undefined) await pause(core, renewals.pauseMs(lease));
    }
  }

  // The monotonic clock stands still while the machine sleeps; the backend's does not. When the wall clock has run
  // ahead, the leases that may have ended meanwhile are renewed before anything else.
  let wallAhead = 0;
  const sleepCheck: TimedEntry = {
    at: 0,
    heapIndex: -1,
    fire(now) {
      const ahead = clock.wallNow() - now;
      const sleptMs = ahead - wallAhead;
      wallAhead = ahead;
      let watching = false;
      for (const { hold } of core.keys.values()) {
        if (hold === undefined) continue;
        watching = true;
        if (sleptMs > hold.lease.ttlMs / 3 && hold.lease.autoRenew) renewals.queue(hold.lease);
      }
      if (watching) timers.set(sleepCheck, now + sleepCheckMs);
    },
  };

  return {
    onTime,
    handedOver: schedule,
    watch(lease) {
      renewals.plan(lease, lease.since, lease.deadline - lease.since);
      schedule(lease);
      if (sleepCheck.heapIndex >= 0) return;
      wallAhead = clock.wallNow() - lease.since;
      timers.set(sleepCheck, lease.since + sleepCheckMs);
    },
    unwatch(lease) {
      lease.over = true;
      times.clear(lease);
    },
    renewNow: (hold, ttlMs) => core.keepAlive.during(() => renewNow(hold, ttlMs)),
  };
}
