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
  /** How the best may lose a lock: one sentence for each backend, the same in every use. */
  readonly warnings: readonly string[];
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
    const { winners, others, excluded } = ranking;
    const place = ({ name, value }: Candidate) => ({ name, figure: unit(value, report) });
    const places = [
      ...winners.map((each) => ({ ...place(each), best: true })),
      ...others.map((each) => ({ ...place(each), best: false })),
    ];
    const shown = { use, rule, places, ruledOut: out(excluded), warnings: warningsOf(report, winners) };
    if (winners.length === 0) return { ...shown, backends: [], answer: 'No answer', because: nothing(ranking) };
    return {
      ...shown,
      backends: [...new Set(winners.map(({ backend }) => backend))],
      answer: listed(winners.map(({ name }) => name)),
      because: [...figures(ranking, (value) => unit(value, report)), ...cautions(report, winners)],
    };
  });
}

function nothing({ excluded }: Ranking): string[] {
  return excluded.length === 0
    ? ['Not measured in this run.']
    : ['All measured backends are ruled out.', ...out(excluded)];
}

function figures({ winners, others, excluded, lead }: Ranking, say: (value: number) => string): string[] {
  const each = (candidates: readonly Candidate[]) =>
    candidates.map(({ name, value }) => `${name} ${say(value)}`).join(', ');
  const lines = [`${each(winners)}.`];
  if (winners.length > 1) lines.push('This run cannot tell them apart.');
  if (others.length > 0)
    lines.push(`Then ${each(others)}.${lead === undefined ? '' : ` The best is ${lead} times as good as the next.`}`);
  return [...lines, ...out(excluded)];
}

/** The reasons, each with all whom it rules out. */
function out(excluded: readonly Candidate[]): string[] {
  const reasons = [...new Set(excluded.map(({ ruledOut }) => ruledOut))];
  const whom = (reason: string | undefined) =>
    excluded.filter(({ ruledOut }) => ruledOut === reason).map(({ name }) => name);
  return reasons.map((reason) => `Ruled out (${reason}): ${whom(reason).join('; ')}.`);
}

/** Whoever is recommended for its speed may still be the one that loses a lock: that is said beside it. */
function cautions(report: Report, winners: readonly Candidate[]): string[] {
  const backends = [...new Set(winners.map(({ backend }) => backend))];
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

/** The same, a sentence for each backend. */
function warningsOf(report: Report, winners: readonly Candidate[]): string[] {
  return [...new Set(winners.map(({ backend }) => backend))].flatMap((id) => {
    const seen = report.faults
      .filter((fault) => fault.backend === id && breaksHere(fault) && fault.overlapMs > 0)
      .map((fault) => ` In this run, it had two holders at once in this case: ${titleAndSetup(fault)}.`);
    const weak = needsServer(report, id) && !promisesFailover(report, id);
    const may = weak ? ' may grant a lock to two holders when the leading server dies.' : ':';
    return weak || seen.length > 0 ? [`${titleOf(report, id)}${may}${seen.join('')}`] : [];
  });
}

function listed(names: readonly string[]): string {
  const all = [...new Set(names)];
  return all.length < 2 ? (all[0] ?? '') : `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`;
}
