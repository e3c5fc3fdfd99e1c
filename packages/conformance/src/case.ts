import type { Capabilities } from '@holdfast/lock-core';
import type { Context } from './context.ts';
import type { Hooks } from './harness.ts';

/** A flag that a case may depend on; where one value has a case, the other one has its inverse. */
export type Gate = Partial<Omit<Capabilities, 'ttl'>>;

/** What a case needs beyond the three operations that every adapter has. */
export type Need =
  | 'enqueue'
  | 'whenFree'
  | 'renewMany'
  | 'inspect'
  | 'keys'
  | 'forceRelease'
  /** `forceRelease` takes the owner whose hold is to be freed. */
  | 'namedForceRelease'
  /** A hold can be made to end without a release: by its TTL, or by the hook `revoke`. */
  | 'lapse'
  /** Connections can be broken: the harness says where the servers are. */
  | 'servers'
  /** Another process can make a client. */
  | 'process'
  | keyof Hooks;

/** One checkable rule of the contract. */
export interface Case {
  /** For ever: ids are never reused or renumbered. */
  readonly id: `LK-${number}`;
  /** A failing MUST fails the suite; a failing SHOULD is reported. */
  readonly level: 'MUST' | 'SHOULD';
  readonly title: string;
  /** The sentence of CONTRACT.md that it checks. */
  readonly rule: `C-${number}`;
  /** The known lock bugs that it finds, by their numbers in `hazards`; empty for a rule that nobody was seen to break. */
  readonly hazards: readonly number[];
  /** The case runs only when the backend declares exactly this. */
  readonly requires?: Gate;
  /** The case is skipped, visibly, where one of these is missing. */
  readonly needs?: readonly Need[];
  /** The case looks at the whole process, or disturbs the whole backend, so nothing else may run beside it. */
  readonly alone?: boolean;
  /** The case mostly waits, for seconds: it begins before the others. */
  readonly long?: boolean;
  /** The case asks for a lot at once; of those few run side by side, unless the backend is fast. */
  readonly heavy?: boolean;
  run(context: Context): Promise<void>;
}
