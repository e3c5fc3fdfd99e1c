import { checkHistory, type HistoryEvent, type Hold, type Write } from '@holdfast/conformance/history';
import type { Fault, FaultEvent } from '../report/schema.ts';
import type { PlayedRound } from './play.ts';
import type { Scenario } from './scenario.ts';

/** What one round of a fault amounts to. */
interface JudgedRound {
  readonly timeline: readonly FaultEvent[];
  readonly violations: readonly string[];
  readonly overlapMs: number;
  readonly gapMs: number;
  readonly refused: number;
  readonly accepted: number;
  /** NaN where it did not happen. */
  readonly nextMs: number;
  readonly toldMs: number;
  readonly serviceBackMs: number;
  readonly kept: boolean;
}

/** Puts the rounds of a fault together. */
export function judgeFault(scenario: Scenario, played: readonly PlayedRound[]): Fault {
  const rounds = played.map((round) => judgeRound(round, scenario.title));
  const worst = rounds.reduce((a, b) => (b.violations.length > a.violations.length ? b : a));
  const known = (pick: (round: JudgedRound) => number): number[] => rounds.map(pick).filter((ms) => !Number.isNaN(ms));
  const sum = (pick: (round: JudgedRound) => number): number => rounds.reduce((total, round) => total + pick(round), 0);
  const gaps = known(({ gapMs }) => gapMs);
  const { id, title, backend, setup, ttlMs, expected } = scenario;
  return {
    ...{ id, title, backend, setup, ttlMs, expected },
    rounds: rounds.length,
    timeline: worst.timeline,
    overlapMs: Math.max(...rounds.map(({ overlapMs }) => overlapMs)),
    gapMs: gaps.length > 0 ? Math.min(...gaps) : null,
    staleWrites: { refused: sum(({ refused }) => refused), accepted: sum(({ accepted }) => accepted) },
    nextHolderMs: known(({ nextMs }) => nextMs),
    holderKept: rounds.filter(({ kept }) => kept).length,
    serviceBackMs: known(({ serviceBackMs }) => serviceBackMs),
    holderToldMs: known(({ toldMs }) => toldMs),
    violations: rounds.flatMap(({ violations }) => violations),
  };
}

function judgeRound({ events, faultAt, endedAt, kept, serviceBackAt }: PlayedRound, title: string): JudgedRound {
  const { violations, history } = checkHistory(events);
  const of = (label: string) => history.holds.find(({ process }) => process === label);
  const [holder, next] = [of('holder'), of('next')];
  const held = holder !== undefined && holder.start < faultAt;
  const told = events.find(({ process, kind, t }) => process === 'holder' && kind === 'lost' && t >= faultAt);
  const stale = staleWrites(history.writes);
  const overlaps = violations.map(({ overlapMs = 0 }) => overlapMs);
  return {
    timeline: timelineOf({ holder, next, told, faultAt, endedAt, title, stale }),
    violations: violations.map(({ message }) => message.replaceAll(/fault-[\w-]{36}/g, 'key')),
    overlapMs: Math.max(0, ...overlaps),
    gapMs: held && !kept && next ? next.start - holder.end : Number.NaN,
    refused: stale.filter(({ accepted }) => !accepted).length,
    accepted: stale.filter(({ accepted }) => accepted).length,
    nextMs: held && !kept && next ? next.start - faultAt : Number.NaN,
    toldMs: held && told ? told.t - faultAt : Number.NaN,
    serviceBackMs: serviceBackAt - faultAt,
    kept: kept && held,
  };
}

/** Those of the old holder that began after the resource had heard of the next one. */
function staleWrites(writes: readonly Write[]): Write[] {
  const heardAt = Math.min(...writes.filter(({ process }) => process === 'next').map(({ returnedAt }) => returnedAt));
  return writes.filter(({ process, invokedAt, returnedAt }) => {
    const answered = returnedAt < Number.POSITIVE_INFINITY;
    return process === 'holder' && invokedAt > heardAt && answered;
  });
}

interface Moments {
  readonly holder: Hold | undefined;
  readonly next: Hold | undefined;
  readonly told: HistoryEvent | undefined;
  readonly faultAt: number;
  readonly endedAt: number;
  readonly title: string;
  readonly stale: readonly Write[];
}

const ends: Readonly<Record<Hold['endedBy'], string>> = {
  release: 'gives the lock back',
  lost: 'is told of its loss',
  deadline: 'may not believe in its lock any more: the lease is over',
  nothing: 'still has the lock at the end',
};

function timelineOf({ holder, next, told, faultAt, endedAt, title, stale }: Moments): FaultEvent[] {
  const events: FaultEvent[] = [];
  const add = (t: number, who: FaultEvent['who'], kind: FaultEvent['kind'], text: string): void => {
    if (Number.isFinite(t)) events.push({ atMs: t - faultAt, who, kind, text });
  };
  add(faultAt, 'fault', 'fault-begins', title);
  add(endedAt, 'fault', 'fault-ends', 'The fault is over');
  if (holder) {
    add(holder.start, 'holder', 'granted', `The holder gets the lock, token ${holder.fence}`);
    const kind = holder.endedBy === 'release' ? 'released' : 'lease-ends';
    if (holder.endedBy !== 'lost') add(holder.end, 'holder', kind, `The holder ${ends[holder.endedBy]}`);
  }
  if (told) add(told.t, 'holder', 'lost', 'The holder is told of its loss');
  if (next) add(next.start, 'next', 'granted', `The next one gets the lock, token ${next.fence}`);
  const refused = stale.find(({ accepted }) => !accepted);
  if (refused) add(refused.returnedAt, 'resource', 'write-refused', 'The resource refuses a write of the old holder');
  const accepted = stale.find(({ accepted }) => accepted);
  if (accepted) add(accepted.returnedAt, 'resource', 'stale-accepted', 'The resource takes a write of the old holder');
  return events.sort((a, b) => a.atMs - b.atMs);
}
