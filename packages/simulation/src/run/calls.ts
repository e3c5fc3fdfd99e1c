import { models } from '../backends/models.ts';
import type { Machine } from '../engine/machine.ts';
import { allSteps } from '../schedule/all-steps.ts';
import { goTogether } from '../schedule/draw-modes.ts';
import type { Schedule, Step } from '../schedule/types.ts';
import { longestCallMs, silences, termsOf } from './deadlines.ts';
import { longestTtl } from './liveness.ts';
import type { Oracle } from './oracle.ts';

/** One call of the library that has not settled. */
export interface OpenCall {
  readonly step: Step;
  readonly what: string;
  readonly machine: Machine;
  readonly startedAt: number;
  /** How long its process had stood still by then. */
  readonly stoodStillMs: number;
}

/** What an acquire may fail with. */
export const acquireCodes: readonly string[] = [
  'LOCK_TIMEOUT',
  'LOCK_BACKEND',
  'LOCK_SELF_DEADLOCK',
  'LOCK_CLOSED',
  'caller gave up',
];

/** Keeps track of what was called and how it ended. */
export interface Calls {
  readonly open: ReadonlySet<OpenCall>;
  /** Gives the result, or `undefined` when it failed in an expected way. `codes` are the codes that it may fail with. */
  track<T>(step: Step, what: string, call: Promise<T>, codes: readonly string[]): Promise<T | undefined>;
  checkError(what: string, error: unknown, codes: readonly string[]): void;
  /** To be called every second: has every open call still time? */
  checkTime(): void;
  /** Where the backend promises order: nobody who asked long before may still wait when this one is granted. */
  checkOrder(step: Step, invokedAt: number): void;
}

export function createCalls(
  machines: readonly Machine[],
  oracle: Oracle,
  schedule: Schedule,
  now: () => number,
  note: (who: string, what: string) => void,
): Calls {
  const open = new Set<OpenCall>();
  const neverSilent = isNeverSilent(schedule);
  const mayBeRefused = schedule.faults.some(({ kind }) => kind === 'server');
  const inOrder = isInOrder(schedule);
  /** Who has seen a later one granted the key, and by when it must have it too. */
  let overtaken: { readonly call: OpenCall; readonly until: number; readonly message: string }[] = [];
  const { servesWithinMs = 0 } = models[schedule.backend];

  function checkError(what: string, error: unknown, codes: readonly string[]): void {
    const { code, message, retryable } = error as { code?: string; message?: string; retryable?: boolean };
    const isOwn = message?.startsWith('the caller of step') ?? false;
    if (isOwn && codes.includes('caller gave up')) return;
    // While the name of one node leads to the server of another, that is what the caller is told.
    if (mayBeRefused && code === 'LOCK_INVALID_ARGUMENT' && message?.includes('are the same Redis server')) return;
    // A transaction of the application stands in the way of a downgrade.
    const isPinned = message?.includes('has pinned the hold') ?? false;
    if (code === 'LOCK_BACKEND' && retryable === false && !mayBeRefused && !isPinned) {
      oracle.fail('wrong answer', `${what} was refused for good, and no server refuses anything: ${message}`);
    }
    if (code === 'LOCK_BACKEND' && neverSilent && !isPinned) {
      oracle.fail(
        'wrong answer',
        `${what} failed with LOCK_BACKEND, and nothing was wrong with the backend: ${message}`,
      );
    }
    if (code !== undefined && codes.includes(code)) return;
    const detail = error instanceof Error ? (error.stack ?? message) : String(error);
    oracle.fail('unknown error', `${what} failed with ${code ?? 'no code'}, which is not documented for it: ${detail}`);
  }

  /** How long a call has been open, without the time in which its process stood still. */
  const openForMs = ({ startedAt, stoodStillMs, machine }: OpenCall): number =>
    now() - startedAt - (machine.stoodStillMs - stoodStillMs);

  function checkDuration(call: OpenCall): void {
    const { step, what, machine } = call;
    const forMs = openForMs(call);
    if (machine.state !== 'running' || forMs <= longestCallMs(schedule, step, what)) return;
    oracle.fail('settles too late', `#${step.id} ${what} in ${machine.name} takes ${Math.round(forMs)} ms`);
  }

  /** A wait without an end is for a lock that is busy, not for a server that says nothing. */
  function checkSilence({ step, what, machine, startedAt, stoodStillMs }: OpenCall): void {
    if (what !== 'acquire' && what !== 'using') return;
    if (machine.state !== 'running' || machine.stoodStillMs > stoodStillMs || oracle.isHeld(step.key)) return;
    const { backendTimeoutMs, attemptTimeoutMs } = termsOf(schedule, step);
    const mostMs = longestTtl(schedule) + backendTimeoutMs + attemptTimeoutMs + 4_000;
    for (const { from, until } of silences(schedule, step.client)) {
      const forMs = now() - Math.max(from, startedAt);
      if (now() < until && forMs > mostMs)
        oracle.fail(
          'settles too late',
          `#${step.id} ${what} waits for a server that is silent for ${Math.round(forMs)} ms`,
        );
    }
  }

  /** Whether somebody still waits who should have been granted the key by now. */
  function checkTurns(): void {
    for (const { call, until, message } of overtaken) {
      if (open.has(call) && now() > until) oracle.fail('out of turn', message);
    }
    overtaken = overtaken.filter(({ call, until }) => open.has(call) && now() <= until);
  }

  return {
    open,
    checkError,
    checkTime() {
      const hasOneServer = schedule.backend === 'memory' || schedule.backend === 'redis';
      checkTurns();
      for (const call of open) {
        checkDuration(call);
        if (hasOneServer) checkSilence(call);
      }
    },
    checkOrder(step, invokedAt) {
      // Callers of one owner come in together.
      if (!inOrder || step.call === 'tryAcquire' || step.options.owner !== undefined || oracle.hasForced) return;
      const aWhileMs = 2 + 6 * (schedule.network.mostMs + servesWithinMs);
      const longBefore = invokedAt - aWhileMs;
      for (const call of open) {
        const { step: other, what, startedAt } = call;
        const isEarlier = other.key === step.key && (what === 'acquire' || what === 'using') && startedAt < longBefore;
        if (!isEarlier || other.id === step.id) continue;
        // Those who hold it together are granted it at one moment, and the answers come over several connections.
        const until = goTogether([step.options, other.options]) ? now() + aWhileMs : Number.NEGATIVE_INFINITY;
        const message = `#${step.id} is granted before #${other.id}, which asked ${Math.round(invokedAt - startedAt)} ms before it`;
        overtaken.push({ call, until, message });
      }
      checkTurns();
    },
    async track(step, what, call, codes) {
      const machine = machines[step.client]!;
      const { stoodStillMs } = machine;
      const entry: OpenCall = { step, what, machine, startedAt: now(), stoodStillMs };
      open.add(entry);
      try {
        return await call;
      } catch (error) {
        const { code, message } = error as { code?: string; message?: string };
        note(machine.name, `#${step.id} ${what} fails: ${code ?? ''} ${message ?? String(error)}`);
        checkError(`#${step.id} ${what}`, error, codes);
        return undefined;
      } finally {
        checkTurns();
        open.delete(entry);
        checkDuration(entry);
      }
    },
  };
}

/** With local hand-over, the waiters of one process pass those of others. */
function isInOrder({ backend, options, faults, network, clients }: Schedule): boolean {
  const isStrict = clients.every(({ locks }) => locks.every(({ localRun }) => localRun?.count === 0));
  const promised = isStrict && (models[backend].isFifo?.(options) ?? false);
  return promised && faults.length === 0 && network.slowRate === 0;
}

/** Whether every request is answered long before anybody could take the backend for unreachable. */
export function isNeverSilent({ faults, network, clients, steps, backend, options }: Schedule): boolean {
  const leasts = [
    ...clients.flatMap(({ locks }) =>
      locks.flatMap(({ ttlMs = 30_000, attemptTimeoutMs = ttlMs / 6, backendTimeoutMs = 10_000 }) => [
        ttlMs / 6,
        attemptTimeoutMs,
        backendTimeoutMs,
      ]),
    ),
    ...allSteps(steps).flatMap(({ options: { ttlMs, waitMs }, inside }) =>
      [ttlMs, waitMs, ...inside.map((deed) => (deed.do === 'renew' ? deed.ttlMs : undefined))].flatMap((ms) =>
        ms === undefined || ms === 0 ? [] : [ms / 6],
      ),
    ),
  ];
  const isSlow =
    network.slowRate > 0 ||
    // An ensemble elects its leader first.
    (backend === 'zookeeper' && Math.min(...leasts) < 2_000) ||
    (backend === 'redlock' && (options.nodeTimeoutMs as number) < 200) ||
    (backend === 'etcd' && (options.callTimeoutMs as number) < 200) ||
    (backend === 'postgres' &&
      ((options.callTimeoutMs as number) < 200 || options.maxConnections !== 10 || options.pauseRate !== 0)) ||
    Number(options.waitReplicas ?? 0) > 0;
  return faults.length === 0 && !isSlow && Math.min(...leasts) > 50 + 12 * network.mostMs;
}
