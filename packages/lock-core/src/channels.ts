import { type Channel, channel } from 'node:diagnostics_channel';

/** One message on a `holdfast:*` channel. */
export interface LockEvent {
  readonly adapter: string;
  readonly key: string;
  /** `acquire`, `wait`: the waiter's, later the backend's owner value of the hold. */
  readonly owner: string;
  readonly [detail: string]: unknown;
}

/**
 * The channels of `node:diagnostics_channel`, to be subscribed to by their names:
 * - `holdfast:acquire` an acquisition begins;
 * - `holdfast:wait` the lock is busy, the caller waits;
 * - `holdfast:grant` with `via` (`backend`, `hand-over` or `reentry`), `waitedMs`, `fencingToken`;
 * - `holdfast:renew` with `outcome` (`renewed`, `lost` or `unknown`);
 * - `holdfast:release` with `outcome` (`released`, `handed-over`, `lost` or `unknown`) and `heldMs`;
 * - `holdfast:lost` with `reason`, the LockError;
 * - `holdfast:reap` a call without an answer is cleaned up: with `outcome` (`begun`, `released`, `not-held` or `given-up`).
 */
export const channels: Record<'acquire' | 'wait' | 'grant' | 'renew' | 'release' | 'lost' | 'reap', Channel> = {
  acquire: channel('holdfast:acquire'),
  wait: channel('holdfast:wait'),
  grant: channel('holdfast:grant'),
  renew: channel('holdfast:renew'),
  release: channel('holdfast:release'),
  lost: channel('holdfast:lost'),
  reap: channel('holdfast:reap'),
};
