// The process of one subject: does what the bench asks of it, one thing at a time, and ends with it.

import { type CycleTask, measureCycles } from './measures/cycles.ts';
import { type DrainTask, measureDrain } from './measures/drain.ts';
import { type HoldTask, holdMany, letGoOfAll, measureHolding } from './measures/holding.ts';
import { measureKeeping, measureScale } from './measures/scale.ts';
import { measureTurns, type TurnTask } from './measures/turns.ts';
import type { Calls, Reply, Request } from './messages.ts';
import { makeSubject } from './subjects/make.ts';
import type { Subject, SubjectSpec } from './subjects/subject.ts';

let subject: Subject | undefined;

function made(): Subject {
  if (subject === undefined) throw new Error('There is no subject yet.');
  return subject;
}

const calls: Record<keyof Calls, (argument: never) => Promise<unknown>> = {
  async make(spec: SubjectSpec) {
    subject = await makeSubject(spec);
  },
  cycles: (task: CycleTask) => measureCycles(made(), task),
  turns: (task: TurnTask) => measureTurns(made(), task),
  hold: (task: HoldTask) => holdMany(made(), task),
  holding: (forMs: number) => measureHolding(forMs),
  letGo: () => letGoOfAll(),
  errors: async () => made().takeErrors?.() ?? 0,
  drain: (task: DrainTask) => measureDrain(made(), task),
  scale: (task: HoldTask) => measureScale(made(), task),
  keeping: (forMs: number) => measureKeeping(forMs),
  capabilities: async () => made().capabilities,
  close: () => made().close(),
};

function reply(message: Reply): void {
  process.send?.(message);
}

process.on('message', ({ id, call, argument }: Request) => {
  calls[call](argument as never).then(
    (result) => reply({ id, result }),
    (error: unknown) => reply({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
process.on('disconnect', () => process.exit());
