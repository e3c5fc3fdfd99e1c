import type { HistoryEvent } from './events.ts';
import type { History, Hold } from './holds.ts';
import type { Violation } from './sweep.ts';

/** One hold around a violation. */
export interface Row {
  readonly hold: Hold;
  /** Whether it is one of those that the violation is about. */
  readonly offender: boolean;
}

/** The moments around a violation. */
export interface Timeline {
  readonly from: number;
  readonly to: number;
  /** By `start`. */
  readonly rows: readonly Row[];
  /** By time. */
  readonly events: readonly HistoryEvent[];
}

const MOST_ROWS = 6;
const MOST_EVENTS = 24;
/** How many times its length is shown before and after a violation. */
const SURROUNDINGS = 2;

/** The holds nearest to a violation, the offenders first of all, and what was called and answered around it. */
export function timelineOf(history: History, violation: Violation): Timeline {
  const distance = ({ start, end, id }: Hold): number => {
    if (violation.holds.some((offender) => offender.id === id)) return -1;
    return Math.max(0, start - violation.to, violation.from - end);
  };
  const holds = history.holds
    .filter(({ key }) => key === violation.key)
    .toSorted((a, b) => distance(a) - distance(b))
    .slice(0, MOST_ROWS)
    .toSorted((a, b) => a.start - b.start);
  const rows = holds.map((hold) => ({ hold, offender: distance(hold) === -1 }));

  const shown = new Set(holds.map(({ id }) => id));
  const away = ({ t }: HistoryEvent) => Math.max(0, t - violation.to, violation.from - t);
  const events = history.events
    .filter(({ key, hold, f }) => key === violation.key && (f === 'write' || shown.has(hold)))
    .toSorted((a, b) => away(a) - away(b))
    .slice(0, MOST_EVENTS)
    .toSorted((a, b) => a.t - b.t);

  // Leases are long and overlaps short: show the surroundings of the violation, not the whole of its holds.
  const moments = [
    ...rows.flatMap(({ hold }) => [hold.invokedAt, hold.start, hold.end]),
    ...events.map(({ t }) => t),
    violation.from,
    violation.to,
  ].filter(Number.isFinite);
  const last = moments.reduce((a, b) => Math.max(a, b));
  const until = Math.min(violation.to, last);
  const marginMs = Math.max(1, SURROUNDINGS * (until - violation.from));
  const from = Math.max(
    moments.reduce((a, b) => Math.min(a, b)),
    violation.from - marginMs,
  );
  const to = Math.max(Math.min(last, until + marginMs), from + 0.001);
  const inView = rows.filter(({ hold }) => hold.end >= from && hold.invokedAt <= to);
  return { from, to, rows: inView, events };
}

/** An event in words, its time counted from `from`. */
export function describeEvent({ f, kind, process, hold, fence, deadline, why }: HistoryEvent, from: number): string {
  const facts = [
    fence === undefined ? '' : `token ${fence}`,
    deadline === undefined || kind === 'invoke' ? '' : `lease until ${(deadline - from).toFixed(3)}`,
    why ?? '',
  ].filter((fact) => fact !== '');
  const what = f === 'hold' ? 'told of its loss' : `${f} ${kind}`;
  return `process ${process}  ${hold}  ${what}${facts.length > 0 ? ` (${facts.join(', ')})` : ''}`;
}
