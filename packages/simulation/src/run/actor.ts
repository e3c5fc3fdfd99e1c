import { getEventListeners } from 'node:events';
import type { AcquireOptions, Lock, LockOwner, Locks, Semaphore } from '@holdfast/lock-core';
import type { ClientProcess } from '../backends/backend.ts';
import { semaphore } from '../schedule/draw-modes.ts';
import type { Deed, Schedule, Step } from '../schedule/types.ts';
import { acquireCodes, type Calls } from './calls.ts';
import { termsOf } from './deadlines.ts';
import { describeStep } from './describe-step.ts';
import { write } from './guarded-write.ts';
import type { Held } from './held.ts';
import { acquireAll, lead, type Played, watch } from './longer-calls.ts';
import { look } from './operator-calls.ts';
import type { Oracle } from './oracle.ts';
import type { Shares } from './shares.ts';
import { transact } from './transactions.ts';
import type { Watches } from './watches.ts';

/** What the steps of one process act on. */
export interface Actor {
  readonly process: ClientProcess;
  readonly locks: readonly Locks[];
  /** Whether any of its steps is not at its end. */
  readonly isBusy: boolean;
  /** What listens to the signal that is given to many of its calls, and ends none of them. */
  readonly listeners: number;
  start(step: Step): void;
  closeAll(): Promise<void>;
}

export interface Enclosing {
  readonly step: Step;
  readonly identity: string;
  readonly around: Enclosing | undefined;
}

export interface ActorTerms {
  readonly process: ClientProcess;
  readonly schedule: Schedule;
  readonly locks: readonly Locks[];
  readonly oracle: Oracle;
  readonly calls: Calls;
  readonly watches: Watches;
  readonly shares: Shares;
  now(): number;
  note(who: string, what: string): void;
}

/** Plays the application in one process. */
export function createActor(terms: ActorTerms): Actor {
  const { process, schedule, locks, oracle, calls, shares, note, now } = terms;
  const { machine } = process;
  const owners = new Map<number, LockOwner>();
  let busy = 0;
  const shutdown = new AbortController();

  const sleep = (ms: number): Promise<void> => new Promise((resolve) => machine.later(ms, resolve));

  function ownerOf(number: number): LockOwner {
    const known = owners.get(number) ?? locks[0]!.createOwner(`owner ${number}`);
    owners.set(number, known);
    return known;
  }

  function optionsOf({ options, client, id, call }: Step): AcquireOptions {
    const { abortMs, owner, ...rest } = options;
    const defined = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
    if (owner !== undefined) Object.assign(defined, { owner: ownerOf(owner) });
    // Those of leaders and of watchers get one from us, which listens to this one.
    if (abortMs === undefined)
      return id % 2 === 0 && call !== 'lead' && call !== 'watch' ? { ...defined, signal: shutdown.signal } : defined;
    const controller = new AbortController();
    const reason = new Error(`the caller of step ${client}/${id} gave up`);
    if (abortMs === 0) controller.abort(reason);
    else machine.later(abortMs, () => controller.abort(reason));
    return { ...defined, signal: controller.signal };
  }

  /** Re-entry is into a hold of the same explicit owner, or of an enclosing body, and into no other. */
  function identityOf(step: Step, around: Enclosing | undefined): string {
    // Permits are not reentrant.
    if (step.options.permits !== undefined) return `${machine.name} step ${step.id}`;
    if (step.options.owner !== undefined) return `${machine.name} owner ${step.options.owner}`;
    for (let outer = around; outer !== undefined; outer = outer.around) {
      if (outer.step.call === 'using' && outer.step.key === step.key && outer.step.locks === step.locks)
        return outer.identity;
    }
    return `${machine.name} step ${step.id}`;
  }

  function take(
    step: Step,
    lock: Lock,
    invokedAt: number,
    around: Enclosing | undefined,
    name: string = `#${step.id}`,
  ): Held {
    const held: Held = {
      step,
      lock,
      machine,
      identity: identityOf(step, around),
      name,
      invokedAt,
      askedAt: invokedAt,
      grantedAt: now(),
      signal: step.watches === 'state' ? undefined : lock.signal,
      endedAt: undefined,
      endedBy: undefined,
      excused: undefined,
      excusedUntil: Number.NEGATIVE_INFINITY,
      shortFrom: Number.POSITIVE_INFINITY,
      stoodStillMs: machine.stoodStillMs,
      terms: termsOf(schedule, step),
    };
    note(
      machine.name,
      `${held.name} holds ${step.key}, token ${lock.fencingToken}, ${lock.remainingMs.toFixed(1)} ms left`,
    );
    // After a sleep of the machine a lock may be lost by the time that it is handed out; it says so itself.
    if (lock.state === 'held') {
      if (!oracle.isHeldBy(step.key, held.identity)) {
        calls.checkOrder(step, invokedAt);
        shares.granted(step);
      }
      oracle.granted(held);
    } else if (machine.stoodStillMs === 0 && !oracle.hasForced && oracle.excuses.length === 0) {
      oracle.fail('wrong answer', `${held.name} is given a lock that is ${lock.state} already`);
    }
    return held;
  }

  async function work(held: Held, around: Enclosing | undefined): Promise<void> {
    const { step, lock } = held;
    const inside: Enclosing = { step, identity: held.identity, around };
    for (const deed of step.inside) await doDeed(deed, held, lock, inside);
  }

  async function doDeed(deed: Deed, held: Held, lock: Lock, inside: Enclosing): Promise<void> {
    if (deed.do === 'work') return sleep(deed.ms);
    if (deed.do === 'assert') {
      try {
        lock.assertHeld();
      } catch (error) {
        calls.checkError(held.name, error, ['LOCK_LOST', 'LOCK_RELEASED']);
      }
      return;
    }
    if (deed.do === 'renew') {
      note(machine.name, `${held.name} renews${deed.ttlMs === undefined ? '' : ` to ${deed.ttlMs} ms`}`);
      const renewal = calls.track(held.step, 'renew', lock.renew(deed.ttlMs), [
        'LOCK_LOST',
        'LOCK_RELEASED',
        'LOCK_BACKEND',
      ]);
      if (deed.awaited) await renewal;
      return;
    }
    if (deed.do === 'downgrade') {
      note(machine.name, `${held.name} downgrades`);
      const codes = ['LOCK_LOST', 'LOCK_RELEASED', 'LOCK_BACKEND', 'LOCK_INVALID_ARGUMENT'];
      const downgrade = calls.track(held.step, 'downgrade', lock.downgrade(), codes);
      if (deed.awaited) await downgrade;
      return;
    }
    if (deed.do === 'write') return write({ ...terms, sleep }, held);
    if (deed.do === 'transaction') return transact({ ...terms, sleep }, held, lock, deed);
    const nested = run({ ...deed.step, at: now() }, inside);
    if (!deed.beside) await nested;
  }

  async function release(held: Held): Promise<void> {
    const { step, lock } = held;
    if (step.release === 'never') return;
    note(machine.name, `${held.name} releases ${step.key}`);
    oracle.released(held);
    const leftMs = lock.remainingMs;
    const calledAt = now();
    const once = lock.release();
    if (step.release === 'twice') void calls.track(step, 'second release', lock.release(), []);
    const outcome = await calls.track(step, 'release', once, []);
    if (outcome !== undefined) note(machine.name, `${held.name} is told: ${String(outcome)}`);
    // What answers in place of a node has no votes, and says so.
    const isImpersonated = schedule.faults.some((fault) => fault.kind === 'server' && /leads to/.test(fault.name));
    const nothingTookIt =
      !oracle.hasForced &&
      oracle.excuses.length === 0 &&
      held.excused === undefined &&
      !isImpersonated &&
      now() < held.shortFrom;
    if (outcome === 'lost' && nothingTookIt && now() - calledAt < leftMs / 2) {
      oracle.fail(
        'wrong answer',
        `${held.name} is told that it was lost, with ${leftMs.toFixed(1)} ms of its lease left when it was released`,
      );
    }
  }

  const played: Played = { ...terms, optionsOf, take, work, end: (held) => oracle.released(held), sleep };

  /** The lock or the semaphore that a step is about. */
  function lockOf({
    key,
    locks: index,
    options: { permits },
  }: Step): Pick<Semaphore, 'acquire' | 'tryAcquire' | 'using'> {
    const at = locks[index]!;
    if (permits !== undefined) return at.semaphore(key, semaphore.limit);
    return {
      acquire: (options) => at.acquire(key, options),
      tryAcquire: (options) => at.tryAcquire(key, options),
      using: (options: object, body?: (lock: Lock) => Promise<never>) => at.using(key, options, body!),
    };
  }

  async function acquire(step: Step, around: Enclosing | undefined): Promise<void> {
    const invokedAt = now();
    const at = lockOf(step);
    const options = optionsOf(step);
    const call = step.call === 'tryAcquire' ? at.tryAcquire(options) : at.acquire(options);
    const lock = await calls.track<Lock | undefined>(step, step.call, call, acquireCodes);
    if (lock === undefined) return;
    const held = take(step, lock, invokedAt, around);
    await work(held, around);
    await release(held);
  }

  async function using(step: Step, around: Enclosing | undefined): Promise<void> {
    const invokedAt = now();
    let held: Held | undefined;
    let admitted = (_lock: Lock): void => {};
    const admission = new Promise<Lock>((resolve) => {
      admitted = resolve;
    });
    const body = async (lock: Lock): Promise<string> => {
      held = take(step, lock, invokedAt, around);
      admitted(lock);
      try {
        await work(held, around);
      } finally {
        oracle.released(held);
        note(machine.name, `${held.name} leaves its body`);
      }
      return `result ${step.id}`;
    };
    const result = lockOf(step).using(optionsOf(step), body);
    // The wait for the lock is bounded; the body is ours.
    const call = result.then(() => undefined);
    call.catch(() => {});
    const entry = Promise.race([admission, call]);
    await calls.track(step, 'using', entry, acquireCodes);
    if (held === undefined) return;
    const answer = await calls.track(step, 'end of using', result, []);
    if (answer !== undefined && answer !== `result ${step.id}`)
      oracle.fail('wrong answer', `using gave ${String(answer)}`);
  }

  async function run(step: Step, around: Enclosing | undefined): Promise<void> {
    note(machine.name, `#${step.id} ${step.call} ${step.key}${describeStep(step)}`);
    if (step.call === 'acquire' || step.call === 'tryAcquire') await acquire(step, around);
    else if (step.call === 'using') await using(step, around);
    else if (step.call === 'acquireAll' || step.call === 'tryAcquireAll') await acquireAll(played, step, around);
    else if (step.call === 'lead') await lead(played, step, around);
    else if (step.call === 'watch') await watch(played, step);
    else if (step.call === 'close') {
      oracle.closing(machine, step.locks, false);
      await calls.track(step, 'close', locks[step.locks]!.close(), []);
    } else await look(terms, step);
  }

  return {
    process,
    locks,
    get isBusy() {
      return busy > 0;
    },
    get listeners() {
      return getEventListeners(shutdown.signal, 'abort').length;
    },
    start(step) {
      busy += 1;
      // An error of the simulation itself shows as an unhandled rejection.
      void run(step, undefined).finally(() => {
        busy -= 1;
      });
    },
    async closeAll() {
      for (const index of locks.keys()) oracle.closing(machine, index, true);
      await Promise.all(locks.map((one) => one.close()));
    },
  };
}
