import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
import { type AcquireAttempt, type Claim, type Granted, LockError } from '@holdfast/lock-core';
import {
  type Acquisition,
  acquiring,
  assertLeased,
  type Backend,
  queueKey,
  type WaiterHere,
  wakeBlocked,
} from './backend.ts';
import { assertSameUse, enter } from './enter-queue.ts';
import { placeLost } from './errors.ts';
import { deleteSeen } from './key-versions.ts';
import { blockersIn } from './position.ts';
import { lookUp, type QueueKey, type Standing } from './requests.ts';
import type { SharedLease } from './shared-lease.ts';

// Without an answer for this long, nobody knows whether the place still exists, so the wait is given up.
const silenceMs = 5_000;
const firstPauseMs = 50;
const longestPauseMs = 500;
// A release in this process notifies the next waiter directly. A watch, which costs two messages, is for everything else.
const ownKeyMs = 100;

/** Waits for the lock in etcd's order of creation, and watches only the keys that are in the way (H39). */
export function enqueue(backend: Backend, attempt: AcquireAttempt, signal: AbortSignal): Promise<Granted> {
  if (signal.aborted) return Promise.reject(signal.reason);
  return acquiring(backend, attempt, false, async (acquisition) => {
    const { lease, standing } = await backend.entering(attempt.key, () => enter(backend, attempt, signal, acquisition));
    if (blockersIn(standing.ahead, acquisition.claim).length === 0)
      return acquisition.granted(lease, standing.token, standing.token, standing.ahead.at(-1));
    attempt.onQueued?.();
    const wait = new QueueWait(backend, attempt, signal, acquisition, lease, standing);
    return wait.untilGranted();
  });
}

/** One place in a queue, from the time when it is taken until it holds the lock or is given up. */
class QueueWait {
  readonly #backend: Backend;
  readonly #attempt: AcquireAttempt;
  readonly #signal: AbortSignal;
  readonly #acquisition: Acquisition;
  readonly #lease: SharedLease;
  readonly #place: QueueKey;
  readonly #token: string;
  #standing: Standing;
  /** A release in this process has seen the place at the head. */
  #atHead = false;
  /** Ends the sleep; does nothing while awake. */
  #wake = (): void => {};

  constructor(
    backend: Backend,
    attempt: AcquireAttempt,
    signal: AbortSignal,
    acquisition: Acquisition,
    lease: SharedLease,
    standing: Standing,
  ) {
    this.#backend = backend;
    this.#attempt = attempt;
    this.#signal = signal;
    this.#acquisition = acquisition;
    this.#lease = lease;
    this.#place = queueKey(backend, attempt.key, acquisition.lockKey);
    this.#token = standing.token;
    this.#standing = standing;
  }

  async untilGranted(): Promise<Granted> {
    const { lockKey } = this.#acquisition;
    const wake = (): void => this.#wake();
    lockKey.wake = wake;
    const onTurn = (seen?: string): void => {
      this.#atHead ||= seen === this.#token;
      wake();
    };
    const stopListening = listenForTurn(this.#backend, this.#attempt.key, lockKey.key, { token: this.#token, onTurn });
    this.#signal.addEventListener('abort', wake);
    const leave = this.#lease.attend(wake);
    try {
      await this.#untilFits();
      return await this.#take();
    } finally {
      leave();
      stopListening();
      this.#signal.removeEventListener('abort', wake);
      lockKey.wake = undefined;
    }
  }

  async #untilFits(): Promise<void> {
    const { endpoints } = this.#backend;
    const { claim } = this.#acquisition;
    for (;;) {
      const { ahead, revision } = this.#standing;
      const blockers = blockersIn(ahead, claim);
      if (blockers.length === 0) return;
      for (const blocker of blockers) assertLeased(this.#attempt.key, blocker);
      const keys = blockers.map(({ key }) => key);
      if (!this.#atHead) await this.#sleep((resolve) => untilChange(this.#backend, keys, claim, revision, resolve));
      await this.#check();
      if (this.#atHead) return;
      // The lease may have ended since the place was taken: only the current state counts (H77).
      const now = await this.#retryUntilAnswered(() =>
        endpoints.call((client, options) => lookUp(client, options, this.#place, this.#token, claim)),
      );
      if (now === undefined) throw placeLost(this.#attempt.key, 'its key was deleted');
      await this.#retryUntilAnswered(() => assertSameUse(this.#backend, this.#attempt.key, this.#place, claim, now));
      this.#standing = now;
    }
  }

  async #take(): Promise<Granted> {
    const lease = this.#lease;
    const since = performance.now();
    if (lease.goodUntil < since + this.#acquisition.ttlMs) await this.#retryUntilAnswered(() => lease.keepAlive());
    await this.#check();
    const first = this.#atHead ? undefined : this.#standing.ahead.at(-1);
    return this.#acquisition.granted(lease, this.#token, this.#token, first, since);
  }

  /** Sleeps until something happens, unless it has happened already. */
  #sleep(begin: (resolve: () => void) => () => void): Promise<void> {
    return new Promise<void>((resolve) => {
      const stop = begin(() => this.#wake());
      this.#wake = () => {
        this.#wake = () => {};
        stop();
        resolve();
      };
      const { lockKey } = this.#acquisition;
      const closed = this.#backend.endpoints.closed !== undefined;
      if (this.#signal.aborted || lockKey.over || this.#lease.ended || closed) this.#wake();
    });
  }

  /** Throws if there is no point in waiting longer. */
  async #check(): Promise<void> {
    const { endpoints, lockKeys } = this.#backend;
    const { lockKey } = this.#acquisition;
    const lease = this.#lease;
    if (endpoints.closed !== undefined) throw endpoints.closed;
    if (this.#signal.aborted) {
      lockKey.over = true;
      const own = { key: this.#place.key, token: this.#token };
      await endpoints.call((client, options) => deleteSeen(client, options, own));
      lockKeys.forget(lockKey);
      wakeBlocked(this.#backend, lockKey.key);
      throw this.#signal.reason;
    }
    if (lockKey.over) throw placeLost(this.#attempt.key, 'it was given up');
    if (lockKey.sentLease !== lease) throw placeLost(this.#attempt.key, 'a later call of this owner waits in it');
    if (lease.ended) throw placeLost(this.#attempt.key, 'its lease has ended');
    if (lease.retired) throw placeLost(this.#attempt.key, 'etcd refuses to delete another key of its lease');
    const silentMs = performance.now() - lease.answeredAt;
    if (performance.now() >= lease.goodUntil || silentMs > silenceMs) {
      throw placeLost(this.#attempt.key, `etcd has not answered for ${Math.round(silentMs)} ms`);
    }
  }

  /** Repeats a call that may be repeated until etcd answers or the wait is given up: one lost answer must not cost the turn. */
  async #retryUntilAnswered<T>(call: () => Promise<T>): Promise<T> {
    for (let failures = 0; ; failures += 1) {
      try {
        return await call();
      } catch (error) {
        if (error instanceof LockError && !error.retryable) throw error;
      }
      const pauseMs = Math.min(firstPauseMs * 2 ** Math.min(failures, 10), longestPauseMs);
      await this.#sleep((resolve) => {
        const timer = setTimeout(resolve, pauseMs).unref();
        return () => clearTimeout(timer);
      });
      await this.#check();
    }
  }
}

/** Watches for the deletion of keys; those of this process are watched later. A shared claim also watches for a downgrade. */
function untilChange(
  backend: Backend,
  keys: readonly Buffer[],
  { mode }: Claim,
  revision: string,
  onChange: () => void,
): () => void {
  const watch = (key: Buffer): (() => void) => backend.watches.change(key, revision, mode === 'shared', onChange);
  const stops = keys.map((key) =>
    backend.lockKeys.get(key.toString()) === undefined ? watch(key) : untilOwnChange(backend, key, watch, onChange),
  );
  return () => {
    for (const stop of stops) stop();
  };
}

function untilOwnChange(
  { blocked }: Backend,
  key: Buffer,
  watch: (key: Buffer) => () => void,
  onChange: () => void,
): () => void {
  const name = key.toString();
  const waiters = blocked.get(name) ?? new Set();
  blocked.set(name, waiters.add(onChange));
  let stop = (): void => clearTimeout(timer);
  const timer = setTimeout(() => {
    stop = watch(key);
  }, ownKeyMs).unref();
  return () => {
    stop();
    waiters.delete(onChange);
    if (waiters.size === 0 && blocked.get(name) === waiters) blocked.delete(name);
  };
}

function listenForTurn({ waiting }: Backend, name: string, key: string, waiter: WaiterHere): () => void {
  const waiters = waiting.get(name) ?? new Map<string, WaiterHere>();
  waiting.set(name, waiters);
  waiters.set(key, waiter);
  return () => {
    waiters.delete(key);
    if (waiters.size === 0 && waiting.get(name) === waiters) waiting.delete(name);
  };
}
