import type { BackendId, Report } from '../schema.ts';
import { titleOf } from './backends.ts';
import { type Candidate, type Ranking, ranked } from './ranking.ts';
import { breaksHere, needsServer, promisesFailover, titleAndSetup, uses } from './uses.ts';

/** What to take for one kind of use, and the figures that say so. */
export interface Recommendation {
  readonly use: string;
  /** The best, and those that cannot be told from it; none where nothing was measured. */
  readonly backends: readonly BackendId[];
  /** The names of the best, such as `etcd or ZooKeeper`. */
  readonly answer: string;
  /** Sentences with the figures behind it. */
  readonly because: readonly string[];
  /** By which figure the choice is made. */
  readonly rule: string;
  /** Everybody who was measured, the best first. */
  readonly places: readonly Place[];
  /** Who is no choice, with the reason. */
  readonly ruledOut: readonly string[];
}

/** A backend's place in the ranking of one use. */
export interface Place {
  readonly name: string;
  readonly figure: string;
  /** The best, or not to be told from it. */
  readonly best: boolean;
}

/** For each use what follows from the figures of this run, and from nothing else. */
export function recommendations(report: Report): Recommendation[] {
  return uses.map(({ use, rule, better, unit, candidates }) => {
    const ranking = ranked(candidates(report), better);
    const { winners, others } = ranking;
    const place = ({ name, value }: Candidate) => ({ name, figure: unit(value, report) });
    const places = [
      ...winners.map((each) => ({ ...place(each), best: true })),
      ...others.map((each) => ({ ...place(each), best: false })),
    ];
    const shown = { use, rule, places, ruledOut: out(report, ranking) };
    if (winners.length === 0) return { ...shown, backends: [], answer: 'No answer', because: nothing(report, ranking) };
    return {
      ...shown,
      backends: [...new Set(winners.map(({ backend }) => backend))],
      answer: listed(winners.map(({ name }) => name)),
      because: [
        ...figures(report, ranking, (value) => unit(value, report)),
        ...cautions(report, [...new Set(winners.map(({ backend }) => backend))]),
      ],
    };
  });
}

function nothing(report: Report, ranking: Ranking): string[] {
  return ranking.excluded.length === 0
    ? ['Not measured in this run.']
    : ['All measured backends are ruled out.', ...out(report, ranking)];
}

function figures(report: Report, ranking: Ranking, say: (value: number) => string): string[] {
  const { winners, others, lead } = ranking;
  const each = (candidates: readonly Candidate[]) =>
    candidates.map(({ name, value }) => `${name} ${say(value)}`).join(', ');
  const lines = [`${each(winners)}.`];
  if (winners.length > 1) lines.push('This run cannot tell them apart.');
  if (others.length > 0)
    lines.push(`Then ${each(others)}.${lead === undefined ? '' : ` The best is ${lead} times as good as the next.`}`);
  return [...lines, ...out(report, ranking)];
}

/** The reasons, each with all whom it rules out. A backend that is out in every set-up is named once, without them. */
function out(report: Report, { winners, others, excluded }: Ranking): string[] {
  const reasons = [...new Set(excluded.map(({ ruledOut }) => ruledOut))];
  const stays = new Set([...winners, ...others].map(({ backend }) => backend));
  const whom = (reason: string | undefined) => {
    const names = excluded
      .filter(({ ruledOut }) => ruledOut === reason)
      .map(({ backend, name }) => (stays.has(backend) ? name : titleOf(report, backend)));
    return [...new Set(names)].join('; ');
  };
  return reasons.map((reason) => `Ruled out (${reason}): ${whom(reason)}.`);
}

/** Whoever is recommended for its speed may still be the one that loses a lock: that is said beside it. */
export function cautions(report: Report, backends: readonly BackendId[]): string[] {
  const weak = backends.filter((id) => needsServer(report, id) && !promisesFailover(report, id));
  const seen = report.faults.filter(
    (fault) => backends.includes(fault.backend) && breaksHere(fault) && fault.overlapMs > 0,
  );
  return [
    ...(weak.length > 0
      ? [
          `Note: ${listed(weak.map((id) => titleOf(report, id)))} may grant a lock to two holders when the leading server dies.`,
        ]
      : []),
    ...seen.map(
      (fault) =>
        `In this run, ${titleOf(report, fault.backend)} had two holders at once in this case: ${titleAndSetup(fault)}.`,
    ),
  ];
}

function listed(names: readonly string[]): string {
  const all = [...new Set(names)];
  return all.length < 2 ? (all[0] ?? '') : `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`;
}
