import type { Capabilities } from '@holdfast/lock-core';
import type { CycleFigures, CycleTask } from './measures/cycles.ts';
import type { Drained, DrainTask } from './measures/drain.ts';
import type { HoldTask } from './measures/holding.ts';
import type { KeepFigures, ScaleFigures } from './measures/scale.ts';
import type { TurnLog, TurnTask } from './measures/turns.ts';
import type { SubjectSpec } from './subjects/subject.ts';

/** What a subject's process can be asked, with the answer. */
export interface Calls {
  make(spec: SubjectSpec): void;
  cycles(task: CycleTask): CycleFigures;
  turns(task: TurnTask): TurnLog;
  hold(task: HoldTask): void;
  /** CPU seconds in so many ms. */
  holding(forMs: number): number;
  /** How many had been lost. */
  letGo(): number;
  /** How many acquisitions gave up since the last call. */
  errors(): number;
  drain(task: DrainTask): Drained;
  scale(task: HoldTask): ScaleFigures;
  keeping(forMs: number): KeepFigures;
  capabilities(): Capabilities | undefined;
  close(): void;
}

export interface Request {
  readonly id: number;
  readonly call: keyof Calls;
  readonly argument: unknown;
}

export type Reply = { readonly id: number } & ({ readonly result: unknown } | { readonly error: string });
