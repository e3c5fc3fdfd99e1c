import { models } from '../backends/models.ts';
import { allSteps, keysOf } from '../schedule/all-steps.ts';
import { isOtherMode, semaphore } from '../schedule/draw-modes.ts';
import type { Schedule, Step } from '../schedule/types.ts';
import type { OpenCall } from './calls.ts';
import type { Oracle } from './oracle.ts';

/** Whether each process gets its turn at a key that several want, and gives it up again in time. */
export interface Shares {
  /** A key was granted, and not to somebody who holds it already. */
  granted(step: Step): void;
}

/** Since when those of one `Locks` have passed a key on among each other. */
interface Turn {
  readonly beganAt: number;
  grants: number;
}

const nameOf = ({ client, locks }: Step): string => `process ${client + 1}${locks > 0 ? `, locks ${locks + 1}` : ''}`;

// Where the backend is asked again and again, the next turn is anybody's: so many in a row are no chance any more.
const mostByChance = 24;

/**
 * In a queue, each `Locks` has one place, and a turn ends after `localRun.count` hand-overs or `localRun.ms`, so each other `Locks`
 * overtakes a waiter once at most. Where readers or permits hold together, each `Locks` may have that many holds, each with its own
 * turn. Checked only in runs without faults.
 */
export function createShares(
  schedule: Schedule,
  open: ReadonlySet<OpenCall>,
  oracle: Oracle,
  now: () => number,
): Shares {
  const { backend, options, faults, network, clients, steps } = schedule;
  const { isFifo, isAsked, servesWithinMs = 0, localRunCount = 64 } = models[backend];
  const all = allSteps(steps);
  const hasQueue = isFifo?.(options) ?? false;
  const isJudged =
    (hasQueue || (isAsked?.(options) ?? false)) &&
    faults.length === 0 &&
    network.slowRate === 0 &&
    clients.every(({ locks }) => locks.every(({ localRun }) => localRun?.count !== 0));
  // By then, every caller has a place.
  const aWhileMs = 2 + 6 * (network.mostMs + servesWithinMs);
  /** The last turn of each `Locks`, and whose was the last of all. */
  const turns = new Map<string, Turn>();
  const last = new Map<string, string>();
  /** How many turns of others have begun since a call has had its place. */
  const passed = new Map<OpenCall, number>();

  const isAlone = ({ options: asked, inside }: Step): boolean =>
    !isOtherMode(asked) && inside.every((deed) => deed.do !== 'downgrade');
  const uses = new Map<string, { readonly isExclusive: boolean; readonly mostTurns: number }>();
  /** Whether all who want the key want it alone, and how many turns of others may pass one who waits. */
  function useOf(key: string): { readonly isExclusive: boolean; readonly mostTurns: number } {
    const known = uses.get(key);
    if (known !== undefined) return known;
    const those = all.filter((step) => keysOf(step).includes(key));
    const isExclusive = those.every(isAlone);
    const sharers = new Set(those.map(nameOf)).size;
    const inQueue = isExclusive ? sharers : key === semaphore.key ? sharers * (semaphore.limit + 1) : 2 * sharers;
    const use = { isExclusive, mostTurns: hasQueue ? inQueue : mostByChance * (sharers - 1) };
    uses.set(key, use);
    return use;
  }

  /** The oldest call of each of the others: it has the place. */
  function waiting(key: string, mine: string): OpenCall[] {
    const oldest = new Map<string, OpenCall>();
    for (const call of open) {
      const { step, what, startedAt } = call;
      if (step.key !== key || (what !== 'acquire' && what !== 'using') || nameOf(step) === mine) continue;
      const known = oldest.get(nameOf(step));
      if (known === undefined || startedAt < known.startedAt) oldest.set(nameOf(step), call);
    }
    return [...oldest.values()].filter(({ startedAt, machine }) => {
      return machine.state === 'running' && now() - startedAt > aWhileMs;
    });
  }

  /** Whether this is one more grant of a turn, or the first one of another. */
  function goesOn(key: string, step: Step): boolean {
    const locks = nameOf(step);
    const { count = localRunCount, ms = 50 } = clients[step.client]!.locks[step.locks]!.localRun ?? {};
    const turn = turns.get(`${key} ${locks}`);
    if (turn === undefined || now() - turn.beganAt > ms * 1.01 + 2 + 2 * network.mostMs) return false;
    // Of several holds each may be passed on as often.
    return !useOf(key).isExclusive || (last.get(key) === locks && turn.grants <= count);
  }

  return {
    granted(step) {
      if (!isJudged || oracle.hasForced) return;
      const { key } = step;
      const locks = nameOf(step);
      if (goesOn(key, step)) {
        turns.get(`${key} ${locks}`)!.grants += 1;
        return;
      }
      turns.set(`${key} ${locks}`, { beganAt: now(), grants: 1 });
      last.set(key, locks);
      for (const call of waiting(key, locks)) {
        const times = (passed.get(call) ?? 0) + 1;
        passed.set(call, times);
        const most = useOf(key).mostTurns;
        if (times <= most) continue;
        const waits = `#${call.step.id} in ${nameOf(call.step)} has waited for ${key} for ${Math.round(now() - call.startedAt)} ms`;
        oracle.fail('unfair', `${waits}, and others have had ${times} turns since; ${most} would be fair`);
      }
    },
  };
}
