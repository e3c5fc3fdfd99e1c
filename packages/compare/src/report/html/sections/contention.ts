import { figure, spreadText } from '../../../format.ts';
import type { BackendId, Contention, Report } from '../../schema.ts';
import { colourOf, legend, present, shapeOf, titleOf } from '../backends.ts';
import { boxes, boxLegend } from '../boxes.ts';
import { charts } from '../chart.ts';
import { type Axis, type Line, lines, type Point } from '../lines.ts';
import { details, html, type Markup, table } from '../markup.ts';
import { crowdedCell } from '../uses.ts';
import { gaps, section } from './gaps.ts';

export function contention(report: Report): Markup {
  const intro =
    'Many waiters contend for one key. A hand-over counts only if another waiter gets the lock. Bars: the middle half of the rounds.';
  const all = report.contention;
  const content = html`${gaps(report, 'contention')}${all.length > 0 && figures(report)}`;
  return section(
    'contention',
    'A contended key',
    intro,
    all.length + report.notMeasured.length > 0 ? content : undefined,
  );
}

function figures(report: Report): Markup {
  const all = report.contention;
  const holds = sorted(all.map(({ holdMs }) => holdMs));
  const sides = sidesOf(report);
  const last = sides.at(-1)!;
  const grid = holds.map((hold) =>
    sides.map((side) =>
      curves(
        report,
        `Hand-overs per second, ${side.title}, hold ${hold} ms`,
        logarithmic('hand-overs/s'),
        hold,
        side,
        (point) => ({
          y: point.handOversPerSecond.median,
          low: point.handOversPerSecond.low,
          high: point.handOversPerSecond.high,
        }),
      ),
    ),
  );
  const shortest = (title: string, axis: Axis, side: Side, value: Value) =>
    curves(report, `${title}, ${side.title}, hold ${holds[0]} ms`, axis, holds[0]!, side, value);
  const fairness = shortest("Jain's index", { name: 'index', log: false, max: 1 }, last, ({ jain }) => ({ y: jain }));
  const waits = shortest('Longest wait', logarithmic('ms'), last, ({ longestWaitMs }) => ({ y: longestWaitMs }));
  const requests = shortest('Requests to the servers per hand-over', logarithmic('requests'), last, (point) =>
    point.requestsPerHandOver === null ? undefined : { y: point.requestsPerHandOver },
  );
  return html`${legend(report, present(report, all))}${charts(grid[0] ?? [])}
${grid.length > 1 && details(`With holds of ${holds.slice(1).join(' and ')} ms`, charts(grid.slice(1).flat()))}
<h3>How long a hand-over and a turn take</h3>${distributions(report)}
<h3>Fairness, and requests to the servers</h3>
<p>Jain's index is 1 if all waiters got the same number of turns, and 1 divided by the number of waiters if one of them got all turns.</p>
${charts([fairness, waits, requests])}
${details(
  'All figures',
  html`<p class="note">/ strict queue: the longest wait divided by the wait in an ideal strict queue with turns of the same length, so that a slow backend does not look fairer.</p>${allFigures(report)}`,
)}`;
}

type Value = (point: Contention) => Omit<Point, 'x'> | undefined;

/** What the points of one chart have in common, and what runs along its axis. */
interface Side {
  readonly title: string;
  readonly along: 'waiters' | 'processes';
  readonly has: (point: Contention) => boolean;
}

/** A chart for each number of processes; where only one number of waiters was measured, the processes run along the axis. */
function sidesOf({ contention: all }: Report): Side[] {
  const counts = sorted(all.map(({ waiters }) => waiters));
  if (counts.length === 1) return [{ title: `${counts[0]} waiters`, along: 'processes', has: () => true }];
  return sorted(all.map(({ processes: count }) => count)).map((count) => ({
    title: processes(count),
    along: 'waiters',
    has: (point) => point.processes === count,
  }));
}

const logarithmic = (name: string): Axis => ({ name, log: true });
const sorted = (values: readonly number[]) => [...new Set(values)].sort((a, b) => a - b);
const processes = (count: number) => (count === 1 ? '1 process' : `${count} processes`);

function curves(report: Report, title: string, y: Axis, holdMs: number, { along, has }: Side, value: Value): Markup {
  const cell = report.contention.filter((point) => point.holdMs === holdMs && has(point));
  const line = (id: BackendId): Line => ({
    name: titleOf(report, id),
    colour: colourOf(id),
    shape: shapeOf(id),
    points: cell
      .filter(({ backend }) => backend === id)
      .sort((a, b) => a[along] - b[along])
      .flatMap((point) => {
        const at = value(point);
        return at === undefined ? [] : [{ x: point[along], ...at }];
      }),
  });
  const at = sorted(report.contention.map((point) => point[along]));
  return lines({ title }, { name: along, log: false, at }, y, present(report, cell).map(line));
}

/** Of one cell of the grid, the one that most backends were measured in. */
function distributions(report: Report): Markup {
  const cell = crowdedCell(report);
  if (cell.length === 0) return html``;
  const { waiters, processes: count, holdMs } = cell[0]!;
  const where = `${waiters} waiters in ${processes(count)}, hold ${holdMs} ms`;
  const rows = (values: (point: Contention) => Contention['waitMs']) =>
    cell.map((point) => ({
      name: titleOf(report, point.backend),
      colour: colourOf(point.backend),
      values: values(point),
    }));
  return html`${charts([
    boxes(
      { title: `From the release to the next grant: ${where}` },
      'ms',
      rows(({ handOverMs }) => handOverMs),
    ),
    boxes(
      { title: `From the request to the grant: ${where}` },
      'ms',
      rows(({ waitMs }) => waitMs),
    ),
  ])}<p class="note">${boxLegend}</p>`;
}

function allFigures(report: Report): Markup {
  const rows = present(report, report.contention).flatMap((id) =>
    report.contention.filter(({ backend }) => backend === id),
  );
  return table(
    rows,
    [
      { head: 'backend', cell: ({ backend }) => titleOf(report, backend) },
      { head: 'waiters', cell: ({ waiters }) => waiters },
      { head: 'processes', cell: ({ processes: count }) => count },
      { head: 'hold ms', cell: ({ holdMs }) => holdMs },
      { head: 'hand-overs/s', cell: ({ handOversPerSecond }) => spreadText(handOversPerSecond) },
      { head: 'p50 ms', cell: ({ handOverMs }) => figure(handOverMs.p50) },
      { head: 'p99 ms', cell: ({ handOverMs }) => figure(handOverMs.p99) },
      { head: 'Jain', cell: ({ jain }) => figure(jain) },
      {
        head: 'most/fewest',
        cell: ({ mostToFewest }) => (mostToFewest === null ? 'one had none' : figure(mostToFewest)),
      },
      { head: 'longest wait ms', cell: ({ longestWaitMs }) => figure(longestWaitMs) },
      {
        head: '/ strict queue',
        cell: ({ longestToStrict }) => (longestToStrict === undefined ? '–' : figure(longestToStrict)),
      },
      {
        head: 'requests',
        cell: ({ requestsPerHandOver }) => (requestsPerHandOver === null ? '–' : figure(requestsPerHandOver)),
      },
      { head: 'held', cell: ({ heldShare }) => `${Math.round(heldShare * 100)} %` },
      { head: 'two holders', cell: ({ violations }) => violations },
    ],
    ({ backend }) => backend,
  );
}
