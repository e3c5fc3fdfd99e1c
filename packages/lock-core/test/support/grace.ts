import type { TwoClients } from './two-clients.ts';

/** After how many ms, in steps of 50, another client gets the key. */
export async function freeAfterMs({ clock, other }: TwoClients, key = 'k'): Promise<number> {
  for (let ms = 0; ms <= 60_000; ms += 50) {
    const lock = await other.tryAcquire(key);
    if (lock !== undefined) {
      await lock.release();
      return ms;
    }
    await clock.advance(50);
  }
  return Number.POSITIVE_INFINITY;
}

/** The process can say nothing more to the backend, nor hear from it. */
export function cutOff({ adapter }: TwoClients): void {
  for (const operation of ['tryAcquire', 'renew', 'renewMany', 'release', 'enqueue'] as const)
    adapter.otherwise(operation, 'request lost');
}

export function reconnect({ adapter }: TwoClients): void {
  for (const operation of ['tryAcquire', 'renew', 'renewMany', 'release', 'enqueue'] as const)
    adapter.otherwise(operation, 'ok');
}
