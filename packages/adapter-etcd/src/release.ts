import { performance } from 'node:perf_hooks';
import type { HoldRef, ReleaseOutcome } from '@holdfast/lock-core';
import { type Backend, queueKey, wakeBlocked } from './backend.ts';
import { claimOf } from './claim.ts';
import { blockersIn } from './position.ts';
import { find, freeHeld, giveUp, type QueueKey } from './requests.ts';

/** Deletes the key of one owner. Each deletion names the create revision, so a late copy of it deletes no newer key (H111). */
export async function release(backend: Backend, hold: HoldRef): Promise<ReleaseOutcome> {
  const { layout, lockKeys } = backend;
  const lockKey = lockKeys.begin(layout.key(hold.key, hold.owner));
  const request = queueKey(backend, hold.key, lockKey);
  lockKey.releasing = true;
  try {
    // A release that overtakes the acquire of its owner finds nothing. The acquire ends within its own time-outs.
    if (lockKey.acquiring !== undefined) await lockKey.acquiring.catch(() => {});
    const { token } = lockKey;
    lockKey.over = true;
    lockKey.lease = undefined;
    // Without an answer, its key is deleted all the same.
    lockKey.expiresAt = performance.now();
    // The key of an owner that has held the lock holds it for as long as it exists. For any other owner, etcd is asked.
    const held = token === undefined ? await leave(backend, request) : await free(backend, hold.key, request, token);
    lockKeys.forget(lockKey);
    if (token === undefined) wakeBlocked(backend, lockKey.key);
    return held ? 'released' : 'not-held';
  } finally {
    lockKeys.end(lockKey);
  }
}

/** Deletes a holder's key. If somebody waits in this process, the same transaction also reads the new head of the queue. */
async function free(
  { waiting, blocked, batch }: Backend,
  name: string,
  request: QueueKey,
  token: string,
): Promise<boolean> {
  const look = waiting.has(name);
  const { deleted, head } = await batch.send(freeHeld(request, token, look));
  const waiters = waiting.get(name);
  const wakes = [...(blocked.get(request.key.toString()) ?? [])];
  if (head !== undefined) waiters?.get(head.key.toString())?.onTurn(head.create_revision);
  // Those who began to wait meanwhile may have this key ahead. A watch of what is past already tells them later.
  else if (!look) for (const waiter of waiters?.values() ?? []) waiter.onTurn();
  for (const wake of wakes) wake();
  return deleted;
}

/** Deletes the key of an owner that may or may not have one, and returns whether it held the lock. */
async function leave({ endpoints }: Backend, request: QueueKey): Promise<boolean> {
  for (;;) {
    const own = await endpoints.call((client, options) => find(client, options, request.key));
    if (own === undefined) return false;
    const claim = claimOf(own);
    const ahead = await endpoints.call((client, options) =>
      giveUp(client, options, request, own.create_revision, claim),
    );
    if (ahead !== undefined) return blockersIn(ahead, claim).length === 0;
  }
}
