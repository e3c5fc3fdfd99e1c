import { figure, spreadText } from '../../../format.ts';
import type { Report, Rival, RivalContention, RivalCycles } from '../../schema.ts';
import { boxes, boxLegend } from '../boxes.ts';
import { charts } from '../chart.ts';
import { details, html, type Markup, table } from '../markup.ts';
import { gaps, section } from './gaps.ts';

export function rivals(report: Report): Markup {
  const intro =
    'Other libraries on the same Redis server, with their default delays and with tuned ones. Ratios are relative to raw calls of the same client on the same version of Node.';
  const all = report.rivals;
  const content = html`${gaps(report, 'rivals')}${all.length > 0 && figures(all)}`;
  return section('rivals', 'Other libraries', intro, all.length + report.notMeasured.length > 0 ? content : undefined);
}

const nameOf = ({ name, delays, servers }: Rival) => `${name}, ${delays}${servers > 1 ? `, ${servers} nodes` : ''}`;
const colourOf = ({ isHoldfast, isRaw }: Rival) =>
  isHoldfast ? 'var(--holdfast)' : isRaw ? 'var(--quiet)' : 'var(--library)';

function figures(all: readonly Rival[]): Markup {
  const cycles = (title: string, pick: (rival: Rival) => RivalCycles | null) => {
    const rows = all.flatMap((rival) => {
      const figures = pick(rival);
      return figures === null
        ? []
        : [{ name: nameOf(rival), colour: colourOf(rival), values: figures.latencyUs, reference: rival.isRaw }];
    });
    return rows.length === 0 ? [] : [boxes({ title }, 'µs', rows)];
  };
  return html`${charts([
    ...cycles('A free lock, one at a time', ({ sequential }) => sequential),
    ...cycles('Free locks, 64 in flight', ({ inFlight }) => inFlight),
    ...crowds(all),
  ])}<p class="note">Orange: Holdfast; blue: other libraries; hollow: raw calls. ${boxLegend}</p>
${details('All figures of free locks', cycleFigures(all))}
${details('All figures of a contended lock', contentionFigures(all))}`;
}

/** One chart for each cell that was measured. */
function crowds(all: readonly Rival[]): Markup[] {
  const cellOf = ({ waiters, processes, holdMs }: RivalContention) =>
    `${waiters} waiters, ${processes === 1 ? '1 process' : `${processes} processes`}, hold ${holdMs} ms`;
  const cells = [...new Set(all.flatMap(({ contention }) => contention.map(cellOf)))];
  return cells.map((cell) => {
    const rows = all.flatMap((rival) =>
      rival.contention
        .filter((point) => cellOf(point) === cell)
        .map((point) => ({
          name: nameOf(rival),
          colour: colourOf(rival),
          values: point.handOverMs,
          reference: rival.isRaw,
        })),
    );
    return boxes({ title: `From the release to the next grant: ${cell}` }, 'ms', rows);
  });
}

const ratio = (cycles: RivalCycles | null) => (cycles?.ratioToRaw ? spreadText(cycles.ratioToRaw) : '–');
const rate = (cycles: RivalCycles | null) => (cycles === null ? '–' : spreadText(cycles.opsPerSecond));

function cycleFigures(all: readonly Rival[]): Markup {
  return table(all, [
    { head: 'library', cell: nameOf },
    { head: 'client', words: true, cell: ({ client }) => client },
    { head: 'locks/s', cell: ({ sequential }) => rate(sequential) },
    { head: 'to raw calls', cell: ({ sequential }) => ratio(sequential) },
    { head: 'locks/s, 64 in flight', cell: ({ inFlight }) => rate(inFlight) },
    { head: 'to raw calls', cell: ({ inFlight }) => ratio(inFlight) },
  ]);
}

function contentionFigures(all: readonly Rival[]): Markup {
  const rows = all.flatMap((rival) => rival.contention.map((point) => ({ rival, point })));
  return table(rows, [
    { head: 'library', cell: ({ rival }) => nameOf(rival) },
    { head: 'waiters', cell: ({ point }) => point.waiters },
    { head: 'processes', cell: ({ point }) => point.processes },
    { head: 'hold ms', cell: ({ point }) => point.holdMs },
    { head: 'hand-overs/s', cell: ({ point }) => spreadText(point.handOversPerSecond) },
    { head: 'p99 ms', cell: ({ point }) => figure(point.handOverMs.p99) },
    { head: 'Jain', cell: ({ point }) => figure(point.jain) },
    { head: 'longest wait ms', cell: ({ point }) => figure(point.longestWaitMs) },
    {
      head: 'requests',
      cell: ({ point }) => (point.requestsPerHandOver === null ? '–' : figure(point.requestsPerHandOver)),
    },
    { head: 'two holders', cell: ({ point }) => point.violations },
    { head: 'gave up', cell: ({ point }) => point.errors },
  ]);
}
