import type { Lease } from './lease.ts';
import type { TimedEntry, TimerHeap } from './timer-heap.ts';

/** When each lease next needs its watchdog. */
export interface LeaseTimes {
  set(lease: Lease, at: number): void;
  clear(lease: Lease): void;
}

/** Leases with one time. */
export interface LeaseGroup extends TimedEntry {
  leases: Lease[];
}

/**
 * Leases that were renewed together have their times together from then on: thousands of them are one entry in the
 * timers. One that was never renewed has an entry of its own, since most are given back before they have company.
 */
export function createLeaseTimes(timers: TimerHeap): LeaseTimes {
  const groups = new Map<number, LeaseGroup>();

  function newGroup(at: number): LeaseGroup {
    const group: LeaseGroup = {
      at,
      heapIndex: -1,
      leases: [],
      fire(now) {
        groups.delete(at);
        const { leases } = group;
        for (const lease of leases) lease.group = undefined;
        let fired = 0;
        try {
          for (const lease of leases) {
            fired += 1;
            // One may be ended by what another one sets off.
            if (!lease.over) lease.fire(now);
          }
        } finally {
          // A failure with one is not to cost the others their time.
          for (const lease of leases.slice(fired)) if (!lease.over) timers.set(lease, now);
        }
      },
    };
    groups.set(at, group);
    timers.set(group, at);
    return group;
  }

  function leave(lease: Lease, group: LeaseGroup): void {
    lease.group = undefined;
    const last = group.leases.pop() as Lease;
    if (last !== lease) {
      group.leases[lease.groupIndex] = last;
      last.groupIndex = lease.groupIndex;
    }
    if (group.leases.length > 0) return;
    groups.delete(group.at);
    timers.clear(group);
  }

  function clear(lease: Lease): void {
    timers.clear(lease);
    if (lease.group !== undefined) leave(lease, lease.group);
  }

  return {
    set(lease, at) {
      if (!lease.renewed) return timers.set(lease, at);
      clear(lease);
      const group = groups.get(at) ?? newGroup(at);
      lease.group = group;
      lease.groupIndex = group.leases.push(lease) - 1;
    },
    clear,
  };
}
