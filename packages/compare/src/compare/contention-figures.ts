import { merged, turnFigures } from '../measures/turn-figures.ts';
import type { TurnLog } from '../measures/turns.ts';
import type { Contention } from '../report/schema.ts';
import { jainIndex, spread } from '../stats.ts';
import { distribution } from './distribution.ts';

/** Waiters for one key, and where the window of the measurement lies. */
export interface ContentionRound {
  readonly logs: readonly TurnLog[];
  readonly waiters: number;
  readonly from: number;
  readonly to: number;
  /** Requests to the servers in all the time, also before and after the window; NaN where they are not counted. */
  readonly requests: number;
}

export type ContentionFigures = Omit<Contention, 'backend' | 'waiters' | 'processes' | 'holdMs'>;

/** What several rounds of one measurement amount to. */
export function contentionFigures(rounds: readonly ContentionRound[]): ContentionFigures {
  const each = rounds.map(({ logs, waiters, from, to }) => turnFigures(logs, waiters, from, to));
  const details = rounds.map(detailsOf);
  const served = details.map((one) => one.served);
  const requests = rounds.map((round, i) => round.requests / details[i]!.allHandOvers);
  const [most, fewest] = [Math.max(...served.flat()), Math.min(...served.flat())];
  const perHandOver = spread(requests).median;
  return {
    handOversPerSecond: spread(each.map(({ handoversPerSecond }) => handoversPerSecond)),
    handOverMs: distribution(details.map(({ handOverMs }) => handOverMs)),
    waitMs: distribution(details.map(({ waitMs }) => waitMs)),
    jain: spread(served.map(jainIndex)).median,
    mostToFewest: fewest > 0 ? most / fewest : null,
    longestWaitMs: Math.max(...each.map(({ longestWaitMs }) => longestWaitMs)),
    longestToStrict: Math.max(...each.map(({ longestWaitMs, strictWaitMs }) => longestWaitMs / strictWaitMs)),
    requestsPerHandOver: Number.isFinite(perHandOver) ? perHandOver : null,
    heldShare: spread(each.map(({ heldShare }) => heldShare)).median,
    violations: each.reduce((sum, { violations }) => sum + violations, 0),
  };
}

function detailsOf({ logs, waiters, from, to }: ContentionRound) {
  const { waiter, askedAt, grantedAt, givenBackAt } = merged(logs);
  const served = new Array<number>(waiters).fill(0);
  const [handOverMs, waitMs]: [number[], number[]] = [[], []];
  let allHandOvers = 0;
  for (let i = 0; i < waiter.length; i += 1) {
    const granted = grantedAt[i]!;
    const passedOn = i > 0 && waiter[i] !== waiter[i - 1];
    if (passedOn) allHandOvers += 1;
    if (granted < from || granted >= to) continue;
    served[waiter[i]!]! += 1;
    waitMs.push(granted - askedAt[i]!);
    // Two clocks of one machine may differ by some microseconds.
    if (passedOn) handOverMs.push(Math.max(0, granted - givenBackAt[i - 1]!));
  }
  return { served, handOverMs, waitMs, allHandOvers };
}
