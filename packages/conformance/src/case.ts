import type { Capabilities } from '@holdfast/lock-core';
import type { Context } from './context.ts';
import type { Hooks } from './harness.ts';

/** The capability flags that a case depends on. If there is a case for one value, there is an inverse case for the other value. */
export type Gate = Partial<Omit<Capabilities, 'ttl'>>;

/** What a case needs besides the three operations that every adapter has. */
export type Need =
  | 'enqueue'
  | 'whenFree'
  | 'renewMany'
  | 'inspect'
  | 'keys'
  | 'forceRelease'
  /** `forceRelease` accepts the owner whose hold it should end. */
  | 'namedForceRelease'
  /** A hold can end without a release: by its TTL, or by the hook `revoke`. */
  | 'lapse'
  /** Connections can be broken, since the harness gives the addresses of the servers. */
  | 'servers'
  /** Another process can create a client. */
  | 'process'
  | keyof Hooks;

/** One checkable rule of the contract. */
export interface Case {
  /** Permanent: IDs are never reused or renumbered. */
  readonly id: `LK-${number}`;
  /** A failing MUST fails the suite; a failing SHOULD is reported. */
  readonly level: 'MUST' | 'SHOULD';
  readonly title: string;
  /** The sentence of CONTRACT.md that it checks. */
  readonly rule: `C-${number}`;
  /** The numbers in `hazards` of the known lock bugs that it finds; empty for a rule that no known bug breaks. */
  readonly hazards: readonly number[];
  /** The case runs only if the backend declares exactly these flags. */
  readonly requires?: Gate;
  /** The case is reported as skipped if one of these is missing. */
  readonly needs?: readonly Need[];
  /** The case observes the whole process, or disturbs the whole backend, so no other case may run at the same time. */
  readonly alone?: boolean;
  /** The case mostly waits, for seconds, so it starts before the others. */
  readonly long?: boolean;
  /** The case sends many requests at once. Only a few such cases run at the same time, unless the backend is fast. */
  readonly heavy?: boolean;
  run(context: Context): Promise<void>;
}
