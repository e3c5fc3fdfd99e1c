import { type AcquireAttempt, type Granted, LockError } from '@holdfast/lock-core';
import { type Acquisition, acquiring, assertLeased, type Backend, queueKey } from './backend.ts';
import { placeLost } from './errors.ts';
import type { KeyRange } from './key-layout.ts';
import { deleteKey, find, lookUp, type Standing, takePlace } from './requests.ts';
import type { SharedLease } from './shared-lease.ts';

// Without any answer for this long nobody knows whether the place still stands, so the wait is given up.
const timeoutMs = 5_000;
const firstPauseMs = 50;
const longestPauseMs = 500;
// Who frees a place in this process tells the next one himself; a watch is for what happens otherwise, and costs two messages.
const ownPlaceMs = 100;

/** Waits for the lock in etcd's order of creation, with an eye only on the place directly ahead (H39). */
export function enqueue(backend: Backend, attempt: AcquireAttempt, signal: AbortSignal): Promise<Granted> {
  if (signal.aborted) return Promise.reject(signal.reason);
  return acquiring(backend, attempt, false, async (acquisition) => {
    const { lease, standing } = await backend.entering(attempt.key, async () => {
      signal.throwIfAborted();
      return enter(backend, attempt, acquisition);
    });
    if (standing.ahead === undefined) return acquisition.granted(lease, standing.token);
    attempt.onQueued?.();
    return wait(backend, attempt, signal, acquisition, lease, standing);
  });
}

function enter(
  backend: Backend,
  attempt: AcquireAttempt,
  { place: own, ttlMs, sending }: Acquisition,
): Promise<{ lease: SharedLease; standing: Standing }> {
  const place = queueKey(backend, attempt.key, own);
  return backend.leases.under(ttlMs, async (lease) => {
    const standing = await backend.limit(() => {
      sending();
      return backend.batch.send(takePlace({ ...place, leaseId: lease.id, ttlMs }));
    });
    return { lease, standing: standing ?? (await resume(backend, place, lease)) };
  });
}

/** An owner that asks again keeps its place. */
async function resume(
  { endpoints }: Backend,
  place: { key: Buffer; range: KeyRange },
  lease: SharedLease,
): Promise<Standing> {
  const own = await endpoints.call((client, options) => find(client, options, place.key));
  const token = own?.lease === lease.id ? own.create_revision : undefined;
  const standing = token && (await endpoints.call((client, options) => lookUp(client, options, place, token)));
  if (!standing) throw new Error('this owner has a place in the queue already, under another lease');
  return standing;
}

async function wait(
  backend: Backend,
  attempt: AcquireAttempt,
  signal: AbortSignal,
  { place, ttlMs, granted }: Acquisition,
  lease: SharedLease,
  first: Standing,
): Promise<Granted> {
  const { endpoints } = backend;
  const request = queueKey(backend, attempt.key, place);
  const { token } = first;
  let wake = (): void => {};
  const rouse = (): void => wake();
  place.wake = rouse;
  let atHead = false;
  const stopListening = hearOfTurn(backend, attempt.key, place.key, (seen) => {
    atHead ||= seen === token;
    wake();
  });
  signal.addEventListener('abort', rouse);
  const leave = lease.attend(rouse);

  /** Sleeps until something happens, unless it has happened already. */
  function sleep(begin: (resolve: () => void) => () => void): Promise<void> {
    return new Promise<void>((resolve) => {
      const stop = begin(() => wake());
      wake = () => {
        wake = () => {};
        stop();
        resolve();
      };
      if (signal.aborted || place.over || lease.ended || endpoints.closed !== undefined) wake();
    });
  }

  /** Throws when waiting on makes no sense. */
  async function check(): Promise<void> {
    if (endpoints.closed !== undefined) throw endpoints.closed;
    if (signal.aborted) {
      await endpoints.call((client, options) => deleteKey(client, options, request.key));
      backend.places.forget(place);
      throw signal.reason;
    }
    if (place.over) throw placeLost(attempt.key, 'it was given up');
    if (lease.ended) throw placeLost(attempt.key, 'its lease has ended');
    const silentMs = performance.now() - lease.answeredAt;
    if (performance.now() >= lease.goodUntil || silentMs > timeoutMs) {
      throw placeLost(attempt.key, `etcd has not answered for ${Math.round(silentMs)} ms`);
    }
  }

  /** Repeats what may be repeated until etcd answers, or `check` gives the wait up: a hiccup must not cost the turn. */
  async function retryUntilAnswered<T>(call: () => Promise<T>): Promise<T> {
    for (let failures = 0; ; failures += 1) {
      try {
        return await call();
      } catch (error) {
        if (error instanceof LockError && !error.retryable) throw error;
      }
      const pauseMs = Math.min(firstPauseMs * 2 ** Math.min(failures, 10), longestPauseMs);
      await sleep((resolve) => {
        const timer = setTimeout(resolve, pauseMs).unref();
        return () => clearTimeout(timer);
      });
      await check();
    }
  }

  try {
    let standing = first;
    while (standing.ahead !== undefined) {
      const { ahead, revision } = standing;
      assertLeased(attempt.key, ahead);
      if (!atHead) await sleep((resolve) => untilDeleted(backend, ahead.key, revision, resolve));
      await check();
      // A release in this process has just seen the place at the head.
      if (atHead) break;
      // The lease may have ended since the place was taken: what counts is what stands now (H77).
      const now = await retryUntilAnswered(() =>
        endpoints.call((client, options) => lookUp(client, options, request, token)),
      );
      if (now === undefined) throw placeLost(attempt.key, 'its key was deleted');
      standing = now;
    }
    const since = performance.now();
    if (lease.goodUntil < since + ttlMs) await retryUntilAnswered(() => lease.keepAlive());
    await check();
    return granted(lease, token, since);
  } finally {
    leave();
    stopListening();
    signal.removeEventListener('abort', rouse);
    place.wake = undefined;
  }
}

/** Watches for the deletion of a place; later if it is one of this process. */
function untilDeleted({ places, watches }: Backend, key: Buffer, revision: string, onChange: () => void): () => void {
  if (places.get(key.toString()) === undefined) return watches.deletion(key, revision, onChange);
  let stop = (): void => clearTimeout(timer);
  const timer = setTimeout(() => {
    stop = watches.deletion(key, revision, onChange);
  }, ownPlaceMs).unref();
  return () => stop();
}

function hearOfTurn({ waiting }: Backend, name: string, key: string, onTurn: (token: string) => void): () => void {
  const waiters = waiting.get(name) ?? new Map<string, (token: string) => void>();
  waiting.set(name, waiters);
  waiters.set(key, onTurn);
  return () => {
    waiters.delete(key);
    if (waiters.size === 0 && waiting.get(name) === waiters) waiting.delete(name);
  };
}
