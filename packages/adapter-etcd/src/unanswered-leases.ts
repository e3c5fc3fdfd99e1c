import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
import type { Endpoints } from './endpoints.ts';
import { isLeaseGone } from './errors.ts';

/** Leases whose grant had no answer, and which may therefore exist. */
export interface UnansweredLeases {
  add(id: string): void;
  /** Stops revoking, and returns the IDs that are left. */
  close(): string[];
}

interface Unanswered {
  readonly id: string;
  /** When etcd last answered that there is no such lease. */
  goneAt: number | undefined;
}

const firstPauseMs = 250;
const longestPauseMs = 2_000;
// A grant may be processed after a revocation that was sent later, so etcd is asked again after this time.
const settleMs = 2_000;
const most = 1_000;

/** Revokes such leases one after the other, until etcd has revoked each one or answered twice that it does not exist. */
export function createUnansweredLeases(endpoints: Endpoints): UnansweredLeases {
  const waiting = new Map<string, Unanswered>();
  let pauseMs = firstPauseMs;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  function runIn(ms: number): void {
    if (closed || timer !== undefined || waiting.size === 0) return;
    timer = setTimeout(() => {
      void revokeAll().finally(() => {
        timer = undefined;
        runIn(pauseMs);
      });
    }, ms).unref();
  }

  async function revokeAll(): Promise<void> {
    for (const lease of [...waiting.values()]) {
      if (closed) return;
      if (!(await revoke(lease))) {
        pauseMs = Math.min(pauseMs * 2, longestPauseMs);
        return;
      }
    }
    pauseMs = waiting.size > 0 ? settleMs : firstPauseMs;
  }

  /** False if etcd did not answer. */
  async function revoke(lease: Unanswered): Promise<boolean> {
    const sentAt = performance.now();
    try {
      await endpoints.call((client, options) => client.leaseClient.leaseRevoke({ ID: lease.id }, options));
      waiting.delete(lease.id);
    } catch (error) {
      if (!isLeaseGone(error)) return false;
      if (lease.goneAt !== undefined && sentAt - lease.goneAt >= settleMs) waiting.delete(lease.id);
      lease.goneAt ??= sentAt;
    }
    return true;
  }

  return {
    add(id) {
      waiting.set(id, { id, goneAt: undefined });
      for (const oldest of waiting.keys()) {
        if (waiting.size <= most) break;
        waiting.delete(oldest);
      }
      runIn(0);
    },
    close() {
      closed = true;
      clearTimeout(timer);
      const left = [...waiting.keys()];
      waiting.clear();
      return left;
    },
  };
}
