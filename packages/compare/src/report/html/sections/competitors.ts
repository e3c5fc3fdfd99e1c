import { figure, spreadText } from '../../../format.ts';
import type { Distribution, Report, Rival, RivalContention, RivalCycles } from '../../schema.ts';
import { type Box, boxes, boxLegend } from '../boxes.ts';
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

const short = ({ name, servers }: Rival) => name + (servers > 1 ? `, ${servers} nodes` : '');
/** As a chart has room for: how it waits is in the tables. */
const labelOf = (rival: Rival) => (/^tuned\b/.test(rival.delays) ? `${short(rival)}, tuned` : short(rival));
const colourOf = ({ isHoldfast, isRaw }: Rival) =>
  isHoldfast ? 'var(--holdfast)' : isRaw ? 'var(--quiet)' : 'var(--library)';

function figures(all: readonly Rival[]): Markup {
  // The last cell has the most processes: the others show the same in a milder form.
  const cells = cellsOf(all);
  const shown = cells.at(-1);
  return html`<h3>Free locks</h3>${cycleFigures(all)}
${shown !== undefined && html`<h3>One lock: ${shown}</h3>${contentionFigures(all, shown)}`}
${cells.slice(0, -1).map((cell) => details(`One lock: ${cell}`, contentionFigures(all, cell)))}
${details(
  'Distributions, drawn',
  html`${clientsOf(all).map((client) => distributions(all, client))}<p class="note">Black or white: Holdfast; blue: other libraries; hollow: raw calls. ${boxLegend}</p>`,
)}`;
}

/** What was measured with one client on one version of Node. */
function distributions(all: readonly Rival[], client: string): Markup {
  const mine = all.filter((rival) => rival.client === client);
  const row = (rival: Rival, values: Distribution) => ({
    name: labelOf(rival),
    colour: colourOf(rival),
    values,
    reference: rival.isRaw,
  });
  const chart = (title: string, unit: string, rows: readonly Box[]) =>
    rows.length === 0 ? [] : [boxes({ title }, unit, rows)];
  const cycles = (title: string, pick: (rival: Rival) => RivalCycles | null) => {
    const rows = mine.flatMap((rival) => {
      const figures = pick(rival);
      return figures === null ? [] : [row(rival, figures.latencyUs)];
    });
    return chart(title, 'µs', rows);
  };
  const crowds = cellsOf(mine).flatMap((cell) =>
    chart(
      `From the release to the next grant: ${cell}`,
      'ms',
      mine.flatMap((rival) =>
        rival.contention.filter((point) => cellOf(point) === cell).map((point) => row(rival, point.handOverMs)),
      ),
    ),
  );
  return html`<h4>${client}</h4>${charts([
    ...cycles('A free lock, one at a time', ({ sequential }) => sequential),
    ...cycles('Free locks, 64 in flight', ({ inFlight }) => inFlight),
    ...crowds,
  ])}`;
}

const clientsOf = (all: readonly Rival[]) => [...new Set(all.map(({ client }) => client))];
const cellOf = ({ waiters, processes, holdMs }: RivalContention) =>
  `${waiters} waiters, ${processes === 1 ? '1 process' : `${processes} processes`}, hold ${holdMs} ms`;
const cellsOf = (all: readonly Rival[]) => [...new Set(all.flatMap(({ contention }) => contention.map(cellOf)))];

const ratio = (cycles: RivalCycles | null) => (cycles?.ratioToRaw ? spreadText(cycles.ratioToRaw) : '–');
const rate = (cycles: RivalCycles | null) => (cycles === null ? '–' : spreadText(cycles.opsPerSecond));

/** The fastest first. */
function cycleFigures(all: readonly Rival[]): Markup {
  const speed = ({ sequential, inFlight }: Rival) => (sequential ?? inFlight)?.opsPerSecond.median ?? 0;
  return table(
    [...all].sort((a, b) => speed(b) - speed(a)),
    [
      { head: 'library', cell: short },
      { head: 'waiting', words: true, cell: ({ delays }) => delays },
      { head: 'client', words: true, cell: ({ client }) => client },
      { head: 'locks/s', cell: ({ sequential }) => rate(sequential) },
      { head: 'to raw calls', cell: ({ sequential }) => ratio(sequential) },
      { head: 'locks/s, 64 in flight', cell: ({ inFlight }) => rate(inFlight) },
      { head: 'to raw calls', cell: ({ inFlight }) => ratio(inFlight) },
    ],
  );
}

/** The most hand-overs first. */
function contentionFigures(all: readonly Rival[], cell: string): Markup {
  const rows = all
    .flatMap((rival) => rival.contention.filter((point) => cellOf(point) === cell).map((point) => ({ rival, point })))
    .sort((a, b) => b.point.handOversPerSecond.median - a.point.handOversPerSecond.median);
  return table(rows, [
    { head: 'library', cell: ({ rival }) => short(rival) },
    { head: 'waiting', words: true, cell: ({ rival }) => rival.delays },
    { head: 'client', words: true, cell: ({ rival }) => rival.client },
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
