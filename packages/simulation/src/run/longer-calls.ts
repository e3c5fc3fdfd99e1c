import type { AcquireOptions, Lock, LockGroup } from '@holdfast/lock-core';
import type { Step } from '../schedule/types.ts';
import type { ActorTerms, Enclosing } from './actor.ts';
import { acquireCodes } from './calls.ts';
import type { Held } from './held.ts';

/** What the calls for several keys, of leaders and of those who watch need of the application. */
export interface Played extends ActorTerms {
  optionsOf(step: Step): AcquireOptions;
  take(step: Step, lock: Lock, invokedAt: number, around: Enclosing | undefined, name?: string): Held;
  work(held: Held, around: Enclosing | undefined): Promise<void>;
  end(held: Held): void;
  sleep(ms: number): Promise<void>;
}

/** Several keys, all or none. */
export async function acquireAll(played: Played, step: Step, around: Enclosing | undefined): Promise<void> {
  const { calls, locks, now, note, process, take, work } = played;
  const invokedAt = now();
  const keys = [step.key, ...(step.more ?? [])];
  const at = locks[step.locks]!;
  const options = played.optionsOf(step);
  const call = step.call === 'acquireAll' ? at.acquireAll(keys, options) : at.tryAcquireAll(keys, options);
  const group = await calls.track<LockGroup | undefined>(step, step.call, call, [...acquireCodes, 'LOCK_LOST']);
  if (group === undefined) return;
  let isReleased = false;
  for (const lock of group.locks) {
    const tell = (): void => {
      if (!isReleased && !(group.signal.aborted && group.state === 'lost'))
        played.oracle.fail('wrong answer', `#${step.id} has lost ${lock.key}, and its group is ${group.state}`);
    };
    // Whoever else listens to the lock is told in the same turn.
    lock.signal.addEventListener('abort', () => void Promise.resolve().then(tell));
  }
  const held = group.locks.map((lock) =>
    take({ ...step, key: lock.key }, lock, invokedAt, around, `#${step.id} ${lock.key}`),
  );
  await work(held[step.id % held.length]!, around);
  if (step.release === 'never') return;
  note(process.machine.name, `#${step.id} releases ${held.length} keys`);
  for (const one of held) played.end(one);
  isReleased = true;
  const once = group.release();
  if (step.release === 'twice') void calls.track(step, 'second release', group.release(), []);
  await calls.track(step, 'release', once, []);
}

/** A leader: never two bodies at once, and no hold of it is left when it ends. */
export async function lead(played: Played, step: Step, around: Enclosing | undefined): Promise<void> {
  const { calls, locks, now, note, oracle, process, take, work } = played;
  const invokedAt = now();
  const terms: Lock[] = [];
  const options = played.optionsOf(step);
  const enough = new AbortController();
  options.signal?.addEventListener('abort', () => enough.abort(options.signal?.reason));
  if (options.signal?.aborted) enough.abort(options.signal.reason);
  let running = 0;
  let wasLost = false;
  // Its body is to stop, so that nobody has to wait for it.
  enough.signal.addEventListener('abort', () => {
    const term = terms.at(-1);
    void Promise.resolve().then(() => {
      if (running > 0 && term?.signal.aborted === false)
        oracle.fail('wrong answer', `#${step.id} was told to end, and the signal of its term says nothing`);
    });
  });
  const body = async (term: Lock): Promise<void> => {
    running += 1;
    terms.push(term);
    if (running > 1) oracle.fail('wrong answer', `#${step.id} runs ${running} bodies of one call`);
    const held = take(step, term, invokedAt, around, `#${step.id} term ${terms.length}`);
    await work(held, around);
    running -= 1;
    wasLost = term.state === 'lost';
    played.end(held);
    note(process.machine.name, `${held.name} leaves its body`);
    // One whose terms are shorter than its work would lead without end.
    if (terms.length === 4) enough.abort(new Error(`the caller of step ${step.client}/${step.id} gave up`));
  };
  const call = locks[step.locks]!.lead(step.key, body, { ...options, signal: enough.signal });
  const hasEnded = call.then(() => 'ended');
  if ((await calls.track(step, 'lead', hasEnded, acquireCodes)) === 'ended' && wasLost)
    oracle.fail('wrong answer', `#${step.id} is over, though its last term was lost before its body ended`);
  if (process.machine.state !== 'running') return;
  for (const { state } of terms)
    if (state === 'held') oracle.fail('wrong answer', `#${step.id} has ended, and one of its terms is held`);
}

/** Watches a key for a while, or until it has seen enough. */
export async function watch(played: Played, step: Step): Promise<void> {
  const { calls, locks, note, process, watches } = played;
  const { signal, ttlMs = 1_000 } = played.optionsOf(step);
  const isLong = step.id % 3 === 0;
  const enough = new AbortController();
  signal?.addEventListener('abort', () => enough.abort());
  process.machine.later(isLong ? 15_000 : Math.min(ttlMs, 5_000), () => enough.abort());
  let most = isLong ? Number.POSITIVE_INFINITY : 1 + (step.id % 7);
  const watched = watches.begin(step.key, `#${step.id}`, process.machine);
  const follow = async (): Promise<void> => {
    if (signal?.aborted) enough.abort();
    for await (const info of locks[step.locks]!.watch(step.key, { signal: enough.signal })) {
      note(
        process.machine.name,
        `#${step.id} sees ${step.key} ${info === undefined ? 'free' : `held by ${info.owner}`}`,
      );
      watched.saw(info?.owner);
      most -= 1;
      if (most === 0) break;
    }
  };
  await calls.track(step, 'watch', follow().finally(watched.end), ['LOCK_BACKEND', 'LOCK_CLOSED']);
}
