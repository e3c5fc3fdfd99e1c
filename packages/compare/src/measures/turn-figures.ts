import { jainIndex } from '../stats.ts';
import type { TurnLog } from './turns.ts';

/** What the turns of all processes amount to. */
export interface TurnFigures {
  /** Hand-overs to *another* waiter: a holder who takes the lock again at once has handed nothing over. */
  readonly handoversPerSecond: number;
  /** Turns in the window, to whomever. */
  readonly turns: number;
  /** All turns, those before and after the window too. */
  readonly allTurns: number;
  /** Turns of the waiter with most and of the one with fewest. */
  readonly most: number;
  readonly fewest: number;
  /** Jain's index of the turns: 1 when all waiters got as many, 1 / waiters when one got all. */
  readonly jain: number;
  /**
   * How long each would wait in an ideal strict queue in which a turn takes as long as it took here: all others, and the own
   * hand-over. It is what the longest wait of another order is measured against.
   */
  readonly strictWaitMs: number;
  readonly longestWaitMs: number;
  /** Of all waits that ended in the window. */
  readonly meanWaitMs: number;
  /** The part of the window in which the key was held: 1 when handing over takes no time. */
  readonly heldShare: number;
  /** Turns of the process with fewest, against an equal share. */
  readonly leastShare: number;
  /**
   * Grants before the holder before had begun to give back, or with a token that is not higher than the one before: two
   * processes believed to hold the key. Holds of no length hardly ever overlap, so the tokens are what tells.
   */
  readonly violations: number;
}

/** Puts the logs of several processes on one time line; counted is what was granted between `from` and `to`. */
export function turnFigures(logs: readonly TurnLog[], waiters: number, from: number, to: number): TurnFigures {
  const turns = merged(logs);
  const { waiter, askedAt, grantedAt, givenBackAt, token } = turns;
  const served = new Array<number>(waiters).fill(0);
  let [handovers, counted, longestWaitMs, waitedMs, heldMs, violations] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < waiter.length; i += 1) {
    const granted = grantedAt[i]!;
    if (i > 0 && (granted < givenBackAt[i - 1]! || token[i]! <= token[i - 1]!)) violations += 1;
    // A wait counts as far as it lies in the window, also of those served after it.
    longestWaitMs = Math.max(longestWaitMs, Math.min(granted, to) - Math.max(askedAt[i]!, from));
    if (granted < from || granted >= to) continue;
    counted += 1;
    waitedMs += granted - askedAt[i]!;
    heldMs += Math.min(givenBackAt[i]!, to) - granted;
    served[waiter[i]!]! += 1;
    if (i > 0 && waiter[i] !== waiter[i - 1]) handovers += 1;
  }
  return {
    handoversPerSecond: handovers / ((to - from) / 1_000),
    turns: counted,
    allTurns: waiter.length,
    most: Math.max(...served),
    fewest: Math.min(...served),
    jain: jainIndex(served),
    strictWaitMs: ((to - from) * waiters - heldMs) / counted,
    longestWaitMs,
    meanWaitMs: waitedMs / counted,
    heldShare: heldMs / (to - from),
    leastShare: leastShare(served, logs.length),
    violations,
  };
}

function leastShare(served: readonly number[], processes: number): number {
  const each = served.length / processes;
  const turns = Array.from({ length: processes }, (_, i) =>
    served.slice(i * each, (i + 1) * each).reduce((sum, count) => sum + count, 0),
  );
  return Math.min(...turns) / (turns.reduce((sum, count) => sum + count, 0) / processes);
}

/** The turns of all processes in the order of their grants. */
export function merged(logs: readonly TurnLog[]): TurnLog {
  const [only] = logs;
  if (logs.length === 1) return only!;
  const entries = logs.flatMap((log) => Array.from(log.grantedAt, (at, i) => ({ at, log, i })));
  entries.sort((a, b) => a.at - b.at);
  const column = (name: keyof TurnLog): Float64Array => Float64Array.from(entries, ({ log, i }) => log[name][i]!);
  return {
    waiter: column('waiter'),
    askedAt: column('askedAt'),
    grantedAt: column('grantedAt'),
    givenBackAt: column('givenBackAt'),
    token: column('token'),
  };
}
