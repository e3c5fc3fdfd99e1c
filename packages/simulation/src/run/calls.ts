import type { Machine } from '../engine/machine.ts';
import { allSteps } from '../schedule/all-steps.ts';
import type { Schedule, Step } from '../schedule/types.ts';
import type { Oracle } from './oracle.ts';

/** One call of the library that has not settled. */
export interface OpenCall {
  readonly step: Step;
  readonly what: string;
  readonly machine: Machine;
  readonly startedAt: number;
}

/** Keeps track of what was called and how it ended. */
export interface Calls {
  readonly open: ReadonlySet<OpenCall>;
  /** Gives the result, or `undefined` when it failed in an expected way. `codes` are the codes that it may fail with. */
  track<T>(step: Step, what: string, call: Promise<T>, codes: readonly string[]): Promise<T | undefined>;
  checkError(what: string, error: unknown, codes: readonly string[]): void;
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

  function checkError(what: string, error: unknown, codes: readonly string[]): void {
    const { code, message } = error as { code?: string; message?: string };
    const isOwn = message?.startsWith('the caller of step') ?? false;
    if (isOwn && codes.includes('caller gave up')) return;
    if (code === 'LOCK_BACKEND' && neverSilent) {
      oracle.fail(
        'wrong answer',
        `${what} failed with LOCK_BACKEND, and nothing was wrong with the backend: ${message}`,
      );
    }
    if (code !== undefined && codes.includes(code)) return;
    const detail = error instanceof Error ? (error.stack ?? message) : String(error);
    oracle.fail('unknown error', `${what} failed with ${code ?? 'no code'}, which is not documented for it: ${detail}`);
  }

  return {
    open,
    checkError,
    async track(step, what, call, codes) {
      const machine = machines[step.client]!;
      const entry: OpenCall = { step, what, machine, startedAt: now() };
      open.add(entry);
      try {
        return await call;
      } catch (error) {
        const { code, message } = error as { code?: string; message?: string };
        note(machine.name, `#${step.id} ${what} fails: ${code ?? ''} ${message ?? String(error)}`);
        checkError(`#${step.id} ${what}`, error, codes);
        return undefined;
      } finally {
        open.delete(entry);
      }
    },
  };
}

/** Whether every request is answered long before anybody could take the backend for unreachable. */
function isNeverSilent({ faults, network, clients, steps, backend, options }: Schedule): boolean {
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
    (backend === 'redlock' && (options.nodeTimeoutMs as number) < 200) ||
    Number(options.waitReplicas ?? 0) > 0;
  return faults.length === 0 && !isSlow && Math.min(...leasts) > 50 + 12 * network.mostMs;
}
