import { figure, spreadText } from '../../../format.ts';
import type { Distribution, Report, Uncontended } from '../../schema.ts';
import { colourOf, legend, present, shapeOf, titleOf } from '../backends.ts';
import { boxes, boxLegend } from '../boxes.ts';
import { charts } from '../chart.ts';
import { lines } from '../lines.ts';
import { details, html, type Markup, table } from '../markup.ts';
import { gaps, section } from './gaps.ts';

export function uncontended(report: Report): Markup {
  const intro =
    'One client process acquires and releases free locks repeatedly. Hollow: the shortest sequence of raw calls of the same client that implements a lock.';
  const all = ordered(report);
  const content = html`${gaps(report, 'uncontended')}${all.length > 0 && figures(report, all)}`;
  return section('free-locks', 'A free lock', intro, all.length + report.notMeasured.length > 0 ? content : undefined);
}

/** Backend by backend, Holdfast before the raw calls. */
function ordered(report: Report): Uncontended[] {
  return present(report, report.uncontended).flatMap((id) =>
    (['holdfast', 'raw'] as const).flatMap((who) =>
      report.uncontended.filter((point) => point.backend === id && point.who === who),
    ),
  );
}

function figures(report: Report, all: readonly Uncontended[]): Markup {
  const loads = [...new Set(all.map(({ inFlight }) => inFlight))].sort((a, b) => a - b);
  const name = (point: Uncontended) => titleOf(report, point.backend) + (point.who === 'raw' ? ', raw' : '');
  const distributions = loads.map((load) =>
    boxes(
      { title: `Acquire and release, ${load} in flight` },
      'µs',
      all
        .filter(({ inFlight }) => inFlight === load)
        .map((point) => ({
          name: name(point),
          colour: colourOf(point.backend),
          values: point.latencyUs,
          reference: point.who === 'raw',
        })),
    ),
  );
  const shares = loads.map((load) =>
    lines(
      { title: `Share of locks completed within a time, ${load} in flight` },
      { name: 'µs', log: true },
      { name: 'share', log: false, max: 1 },
      all
        .filter(({ inFlight, who }) => inFlight === load && who === 'holdfast')
        .map(({ backend, latencyUs }) => ({
          name: titleOf(report, backend),
          colour: colourOf(backend),
          shape: shapeOf(backend),
          points: cumulative(latencyUs),
        })),
    ),
  );
  return html`${charts(distributions)}<p class="note">${boxLegend}</p>
${details('The same as shares, and all figures', html`${legend(report, present(report, all))}${charts(shares)}${allFigures(all, name)}`)}`;
}

/** The quantiles as points of the cumulative distribution. */
function cumulative({ p10, p25, p50, p75, p90, p99, p999 }: Distribution): { x: number; y: number }[] {
  const shares: [number, number][] = [
    [p10, 0.1],
    [p25, 0.25],
    [p50, 0.5],
    [p75, 0.75],
    [p90, 0.9],
    [p99, 0.99],
    [p999, 0.999],
  ];
  return shares.map(([x, y]) => ({ x, y }));
}

function allFigures(all: readonly Uncontended[], name: (point: Uncontended) => string): Markup {
  return table(
    all,
    [
      { head: 'backend', cell: name },
      { head: 'in flight', cell: ({ inFlight }) => inFlight },
      { head: 'locks/s', cell: ({ opsPerSecond }) => spreadText(opsPerSecond) },
      { head: 'to raw calls', cell: ({ ratioToRaw }) => (ratioToRaw === null ? '–' : spreadText(ratioToRaw)) },
      { head: 'p50 µs', cell: ({ latencyUs }) => figure(latencyUs.p50) },
      { head: 'p99 µs', cell: ({ latencyUs }) => figure(latencyUs.p99) },
      { head: 'p99.9 µs', cell: ({ latencyUs }) => figure(latencyUs.p999) },
      { head: 'client CPU µs', cell: ({ clientCpuUs }) => spreadText(clientCpuUs) },
      { head: 'raw calls', words: true, cell: ({ what }) => what },
    ],
    ({ backend }) => backend,
  );
}
