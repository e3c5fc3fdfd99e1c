import type { Lock, Locks } from 'holdfast';

/**
 * Stands for election until `stopped` aborts. Whoever has the lock leads: `lead` gets a term, higher than every one before, and
 * a signal that aborts when the office is lost or is to be given back. It returns soon after that.
 */
export async function standForElection(
  locks: Locks,
  group: string,
  stopped: AbortSignal,
  lead: (term: bigint, inOffice: AbortSignal) => Promise<void>,
): Promise<void> {
  while (!stopped.aborted) {
    let lock: Lock;
    try {
      lock = await locks.acquire(`leader:${group}`, { signal: stopped });
    } catch (error) {
      if (stopped.aborted) return;
      throw error;
    }
    try {
      await lead(lock.fencingToken!, AbortSignal.any([lock.signal, stopped]));
    } finally {
      await lock.release(); // given back, the next one leads at once
    }
  }
}
