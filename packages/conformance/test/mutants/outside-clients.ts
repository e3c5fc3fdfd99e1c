import { connect } from 'node:net';
import type { LockAdapter } from '@holdfast/lock-core';
import type { ProxyTarget } from '../../src/faults/index.ts';

const PATIENCE_MS = 50;

/** A bug of a client that knows where it is connected to. */
type ClientBug = (right: LockAdapter, at: ProxyTarget) => LockAdapter;

/** The answer, or `wrong` where it fails or does not come. */
const guess = <T>(answer: Promise<T>, wrong: T): Promise<T> =>
  Promise.race([
    answer.catch(() => wrong),
    new Promise<T>((resolve) => {
      setTimeout(() => resolve(wrong), PATIENCE_MS).unref();
    }),
  ]);

export const failureIsBusy: ClientBug = (right) => ({
  ...right,
  tryAcquire: (attempt) => right.tryAcquire(attempt).catch(() => ({ status: 'busy' })),
});

export const unansweredReleaseIsNotHeld: ClientBug = (right) => ({
  ...right,
  release: (hold) => right.release(hold).catch(() => 'not-held'),
});

export const unansweredRenewalIsRenewed: ClientBug = (right) => ({
  ...right,
  renew: (hold, ttlMs) => guess(right.renew(hold, ttlMs), { status: 'renewed', validForMs: ttlMs }),
});

export const unansweredRenewalIsLost: ClientBug = (right) => ({
  ...right,
  renew: (hold, ttlMs) => right.renew(hold, ttlMs).catch(() => ({ status: 'lost' })),
});

export const unansweredInspectIsFree: ClientBug = (right) => ({
  ...right,
  inspect: (key) => guess(right.inspect!(key), undefined),
  forceRelease: (key) => guess(right.forceRelease!(key), false),
});

export const unansweredListIsEmpty: ClientBug = (right) => ({
  ...right,
  keys: (cursor) => guess(right.keys!(cursor), { keys: [], next: undefined }),
});

export const countsFromTheAnswer: ClientBug = (right) => ({
  ...right,
  async tryAcquire(attempt) {
    const sentAt = performance.now();
    const outcome = await right.tryAcquire(attempt);
    if (outcome.status === 'busy') return outcome;
    return { ...outcome, validForMs: outcome.validForMs + performance.now() - sentAt };
  },
});

export const believesTooLong: ClientBug = (right) => ({
  ...right,
  // Core trusts no adapter beyond a whole lease and the granularity that it declares.
  capabilities: { ...right.capabilities, ttl: { ...right.capabilities.ttl, granularityMs: 600_000 } },
  async tryAcquire(attempt) {
    const outcome = await right.tryAcquire(attempt);
    return outcome.status === 'busy' ? outcome : { ...outcome, validForMs: 10 * outcome.validForMs };
  },
});

/** A client that has broken when its connection has. */
export const connectsOnce: ClientBug = (right, at) => {
  // Another connection the same way, since that of the right client is its own affair.
  const beside = connect(at);
  beside.on('error', () => {});
  const alive = async (): Promise<void> => {
    if (beside.destroyed) throw new Error('the connection was lost');
  };
  return {
    ...right,
    tryAcquire: (attempt) => alive().then(() => right.tryAcquire(attempt)),
    renew: (hold, ttlMs) => alive().then(() => right.renew(hold, ttlMs)),
    release: (hold) => alive().then(() => right.release(hold)),
    async close() {
      beside.destroy();
      await right.close?.();
    },
  };
};
