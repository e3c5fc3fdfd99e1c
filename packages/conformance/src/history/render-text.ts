import type { History } from './holds.ts';
import type { Violation } from './sweep.ts';
import { describeEvent, timelineOf } from './timeline.ts';

const WIDTH = 64;

/** Renders a violation and the events around it as text, for a terminal or the message of a test. Times are ms from the first event. */
export function renderText(history: History, violation: Violation): string {
  const { from, to, rows, events } = timelineOf(history, violation);
  const column = (t: number) => Math.round(((Math.min(Math.max(t, from), to) - from) / (to - from)) * (WIDTH - 1));
  const bars = rows.map(({ hold, offender }) => {
    const cells = Array.from({ length: WIDTH }, () => ' ');
    const draw = (mark: string, start: number, end: number) => {
      if (end >= from && start <= to) cells.fill(mark, column(start), column(end) + 1);
    };
    draw('.', hold.invokedAt, Number.isFinite(hold.doneAt) ? hold.doneAt : hold.end);
    draw('=', hold.start, hold.end);
    if (offender && violation.overlapMs !== undefined) draw('#', violation.from, violation.to);
    return `${offender ? '>' : ' '} |${cells.join('')}| ${hold.id}${hold.fence === undefined ? '' : ` token ${hold.fence}`}`;
  });
  const span = (to - from).toFixed(3);
  return [
    violation.message,
    '',
    `   0.000${`${span} ms`.padStart(WIDTH - 5)}`,
    ...bars,
    '   . asked or giving back   = held   # two holders',
    '',
    ...events.map((event) => `${(event.t - from).toFixed(3).padStart(12)}  ${describeEvent(event, from)}`),
    '',
  ].join('\n');
}
