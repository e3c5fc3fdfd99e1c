import { randomUUID } from 'node:crypto';
import type { Lock, Locks } from '@holdfast/lock-core';
import { checkArguments, type Request } from './arguments.ts';
import { platformError } from './errors.ts';
import type { WebLockCallback, WebLockInfo, WebLockOptions, WebLockSnapshot, WebLocks } from './types.ts';

/**
 * Wraps locks in the interface of `navigator.locks`, so that code written for the platform's interface excludes other processes.
 *
 * The name of a lock is its key, so `request('report', …)` and `locks.using('report', …)` exclude each other. As on the platform, a
 * request inside the callback of another request for the same name waits forever.
 */
export function webLocks(locks: Locks): WebLocks {
  const clientId = randomUUID();
  const held = new Set<WebLockInfo>();
  const pending = new Set<WebLockInfo>();

  async function request<T>(
    ...given: [string, WebLockCallback<T>] | [string, WebLockOptions, WebLockCallback<T>]
  ): Promise<T> {
    const { callback, ...asked } = checkArguments<T>(given);
    const entry: WebLockInfo = { name: asked.name, mode: asked.mode, clientId };
    pending.add(entry);
    const lock = await obtain(locks, asked).finally(() => pending.delete(entry));
    if (lock === undefined) return callback(null);
    held.add(entry);
    try {
      return await runUnder(lock, asked.mode, callback);
    } finally {
      await lock.release();
      held.delete(entry);
    }
  }

  async function query(): Promise<WebLockSnapshot> {
    const own = new Set([...held].map(({ name }) => name));
    const others: WebLockInfo[] = [];
    try {
      for await (const { key, owner, mode } of locks.list()) {
        others.push({ name: key, mode: mode === 'shared' ? mode : 'exclusive', clientId: owner });
      }
    } catch (error) {
      throw platformError(error);
    }
    for (const { name } of held) own.add(name);
    return {
      held: [...[...held].map((entry) => ({ ...entry })), ...others.filter(({ name }) => !own.has(name))],
      pending: [...pending].map((entry) => ({ ...entry })),
    };
  }

  return { request, query };
}

/** The lock, or undefined if it is busy and the request is `ifAvailable`. */
async function obtain(
  locks: Locks,
  { name, mode, ifAvailable, steal, signal }: Omit<Request<unknown>, 'callback'>,
): Promise<Lock | undefined> {
  // An owner of its own: nothing re-enters, whatever the async context contains.
  const owner = locks.createOwner();
  try {
    if (ifAvailable) return await locks.tryAcquire(name, { owner, mode });
    if (steal) await locks.forceRelease(name);
    return await locks.acquire(name, { owner, mode, signal });
  } catch (error) {
    // The reason of the caller's signal stays as it is, even if it is an error of another lock.
    throw signal?.aborted && error === signal.reason ? error : platformError(error);
  }
}

/** The outcome of the callback, or an AbortError as soon as the lock is stolen or lost, even if the callback still runs. */
async function runUnder<T>(lock: Lock, mode: Request<T>['mode'], callback: WebLockCallback<T>): Promise<T> {
  const { key: name, signal, fencingToken } = lock;
  let onLost = (): void => {};
  const lost = new Promise<never>((_, reject) => {
    onLost = () => reject(platformError(signal.reason));
    if (signal.aborted) onLost();
    else signal.addEventListener('abort', onLost, { once: true });
  });
  try {
    const result = (async () => callback({ name, mode, signal, fencingToken }))();
    return await Promise.race([result, lost]);
  } finally {
    signal.removeEventListener('abort', onLost);
  }
}
