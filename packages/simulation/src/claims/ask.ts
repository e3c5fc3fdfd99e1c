import type { AcquireAttempt, AcquireOutcome, LockAdapter } from '@holdfast/lock-core';
import type { Machine } from '../engine/machine.ts';
import type { ClaimStep } from '../schedule/types.ts';
import type { ClaimOracle, ClaimTask } from './claim-oracle.ts';

/** Who asks an adapter for claims. */
export interface Player {
  readonly adapter: LockAdapter;
  /** That of another process, which forces holders out. */
  operator(): LockAdapter;
  readonly machine: Machine;
  readonly oracle: ClaimOracle;
  /** Whether one who was granted while it waited has heard of it in time. */
  checkTold(step: ClaimStep, owner: string): void;
  now(): number;
  note(what: string): void;
}

export const sleep = (machine: Machine, ms: number): Promise<void> =>
  new Promise((resolve) => machine.later(ms, resolve));

/** An owner ID that no other request has. */
export const newOwner = (machine: Machine): string =>
  Array.from({ length: 8 }, () => machine.random.int(0x1000, 0xffff).toString(16)).join('');

/** Asks until it is granted, after each refusal under another owner ID. */
export async function poll(
  { adapter, machine, now }: Player,
  task: ClaimTask,
  attempt: AcquireAttempt,
): Promise<AcquireOutcome> {
  const { key, ttlMs, tokens, claim, signal } = attempt;
  const listening = new AbortController();
  try {
    for (;;) {
      task.calledAt = machine.now();
      const outcome = await adapter.tryAcquire({ key, owner: task.owner, ttlMs, tokens, claim, signal });
      if (outcome.status === 'granted' || signal.aborted) return outcome;
      task.phase = 'queued';
      // Who does so waits, which others may have to respect.
      const hint = adapter.whenFree?.(key, listening.signal).catch(() => {});
      await Promise.race([hint, sleep(machine, machine.random.int(20, 1_000))]);
      task.owner = newOwner(machine);
      task.askedAt = now();
    }
  } finally {
    listening.abort();
  }
}

/** One attempt, or two for the same owner ID where the first has no answer in time: a grant of either counts. */
export async function asksOnce(
  { machine }: Player,
  { repeatsMs }: ClaimStep,
  ask: () => Promise<AcquireOutcome>,
): Promise<AcquireOutcome> {
  const first = ask();
  if (repeatsMs === undefined) return first;
  const silence = sleep(machine, repeatsMs).then(() => undefined);
  const early = await Promise.race([first.catch(() => undefined), silence]);
  if (early !== undefined) return early;
  const granted = [first, ask()].map(async (answer) => {
    const outcome = await answer;
    if (outcome.status === 'busy') throw outcome;
    return outcome;
  });
  return Promise.any(granted).catch(({ errors }: AggregateError) => {
    const other = errors.find((error) => (error as { status?: unknown }).status !== 'busy');
    if (other !== undefined) throw other;
    return errors[0] as AcquireOutcome;
  });
}
