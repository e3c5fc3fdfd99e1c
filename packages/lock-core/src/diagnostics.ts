import { type Channel, channel } from 'node:diagnostics_channel';

/** One message on a `holdfast:*` channel. */
export interface LockEvent {
  readonly adapter: string;
  readonly key: string;
  /** In `acquire`, `wait`, `grant`, `fail`: the acquisition's number in this process. In `release`, `lost`: of the first of the hold. */
  readonly acquisition?: number;
  /** The owner ID: in `acquire` and `wait` that of the waiter, in later events that of the hold in the backend. */
  readonly owner: string;
  readonly [detail: string]: unknown;
}

type Name = 'acquire' | 'wait' | 'grant' | 'fail' | 'renew' | 'release' | 'lost' | 'reap' | 'warning';

/**
 * The channels of `node:diagnostics_channel`, to be subscribed to by their names:
 * - `holdfast:acquire` an acquisition begins, in the caller's async context: with `mode` and `waitMs`;
 * - `holdfast:wait` the lock is busy, the caller waits;
 * - `holdfast:grant` with `via` (`backend`, `hand-over` or `reentry`), `mode`, `holder` (the name of these locks), `waitedMs`,
 *   `ttlMs`, `fencingToken`;
 * - `holdfast:fail` an acquisition ends without the lock: with `outcome` (`busy` for one attempt, `timeout`, `aborted` or
 *   `error`), `waitedMs` and, but for `busy`, `reason`;
 * - `holdfast:renew` with `outcome` (`renewed`, `lost`, `refused` or `unknown`);
 * - `holdfast:release` with `outcome` (`released`, `handed-over`, `lost` or `unknown`) and `heldMs`;
 * - `holdfast:lost` with `reason`, the LockError;
 * - `holdfast:reap` a call without an answer is cleaned up: with `outcome` (`begun`, `released`, `not-held` or `given-up`);
 * - `holdfast:warning` what is probably a mistake in the application, once for each hold, as `process` emits it too: with `warning`,
 *   `message` and `heldMs`. `unreleased`: the lock was garbage-collected without a release. `own-hold`: a task of this process has waited
 *   for it for a whole lease. Both are noticed when the lease is renewed.
 */
export const channels: Record<Name, Channel> = {
  acquire: channel('holdfast:acquire'),
  wait: channel('holdfast:wait'),
  grant: channel('holdfast:grant'),
  fail: channel('holdfast:fail'),
  renew: channel('holdfast:renew'),
  release: channel('holdfast:release'),
  lost: channel('holdfast:lost'),
  reap: channel('holdfast:reap'),
  warning: channel('holdfast:warning'),
};
