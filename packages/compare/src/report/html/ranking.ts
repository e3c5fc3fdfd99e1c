import { figure } from '../../format.ts';
import type { BackendId } from '../schema.ts';

/** A backend, or a set-up of one, with the figure by which it is judged and what half of the rounds gave. */
export interface Candidate {
  readonly backend: BackendId;
  readonly name: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** Why it is no choice whatever its figure is; `undefined` when it is one. */
  readonly ruledOut?: string;
}

export interface Ranking {
  /** The best one, and those that this run cannot tell from it. */
  readonly winners: readonly Candidate[];
  readonly others: readonly Candidate[];
  readonly excluded: readonly Candidate[];
  /** By which factor the best is better than the first of the others; `undefined` where a factor says nothing. */
  readonly lead: string | undefined;
}

/** Below this difference nobody should change a backend. */
const noticeable = 1.1;

export function ranked(candidates: readonly Candidate[], better: 'more' | 'less'): Ranking {
  const sign = better === 'more' ? -1 : 1;
  const eligible = candidates
    .filter(({ ruledOut }) => ruledOut === undefined)
    .sort((a, b) => sign * (a.value - b.value));
  const [best] = eligible;
  const winners = eligible.filter((candidate) => candidate === best || !differ(best!, candidate));
  const others = eligible.filter((candidate) => !winners.includes(candidate));
  const next = others[0];
  return {
    winners,
    others,
    excluded: candidates.filter(({ ruledOut }) => ruledOut !== undefined),
    lead: best === undefined || next === undefined ? undefined : factor(best, next),
  };
}

/** Clearly apart: by a tenth at least, and with no value between which half of the rounds were in common. */
function differ(a: Candidate, b: Candidate): boolean {
  const [low, high] = [Math.min(a.value, b.value), Math.max(a.value, b.value)];
  return high > low * noticeable && (a.high < b.low || b.high < a.low);
}

function factor(a: Candidate, b: Candidate): string | undefined {
  const [low, high] = [Math.min(a.value, b.value), Math.max(a.value, b.value)];
  return low > 0 ? figure(high / low) : undefined;
}
