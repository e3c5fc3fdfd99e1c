import type { Capabilities, LockAdapter, Locks, LocksOptions } from '@holdfast/lock-core';
import type { ProxyTarget } from '../../src/faults/index.ts';

/** A mutant that shows only when connections break, servers stop or processes die; each has a server of its own. */
export interface OutsideMutant {
  readonly bug: string;
  readonly seenIn: string;
  /** The cases that must find it; only these are run. */
  readonly caughtBy: readonly [string, ...string[]];
  /** Part of the message of the first of those cases, from which an author understands the bug. */
  readonly message: RegExp;
  /** What it declares otherwise than the right client. */
  readonly declares?: Partial<Capabilities>;
  /** A bug of the clients of this process, which knows where they are connected to. */
  readonly around?: (right: LockAdapter, at: ProxyTarget) => LockAdapter;
  /** A bug of the server. */
  readonly engine?: (right: LockAdapter) => LockAdapter;
  /** The server remembers nothing when it is restarted or replaced. */
  readonly forgets?: boolean;
  /** The module by which other processes make their clients, where these are wrong too. */
  readonly module?: string;
  /** A bug of the locks over a right adapter. */
  locks?(adapter: LockAdapter, options: LocksOptions): Locks;
}
