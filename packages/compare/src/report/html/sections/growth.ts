import { figure } from '../../../format.ts';
import type { Growth, GrowthCost, Report, ScalePoint, WaitersPoint } from '../../schema.ts';
import { colourOf, legend, present, shapeOf, titleOf } from '../backends.ts';
import { charts } from '../chart.ts';
import { type Line, lines } from '../lines.ts';
import { details, html, type Markup, table } from '../markup.ts';
import { gaps, section } from './gaps.ts';

const costs: Readonly<Record<GrowthCost, { title: string; axis: string }>> = {
  clientCpu: { title: 'CPU of the client process', axis: 'cores' },
  serverCpu: { title: 'CPU of all servers', axis: 'cores' },
  requestsPerSecond: { title: 'Requests to all servers', axis: 'requests/s' },
  acquireMs: { title: 'Time to acquire all locks', axis: 'ms' },
  totalMs: { title: 'Time until the last waiter has had its turn', axis: 'ms' },
  clientCpuUs: { title: 'CPU of the client for all waiters', axis: 'µs' },
  requests: { title: 'Requests to all servers', axis: 'requests' },
};

export function scale(report: Report): Markup {
  const intro = 'One process acquires n locks and keeps them, so only renewals run. Dashed: the fitted cost.';
  const points = report.scale;
  const content = html`${gaps(report, 'scale')}${
    points.length > 0 &&
    html`${legend(report, present(report, points))}
${charts([...curves(report, 'locks', 'held locks'), lag(report)])}
${details('Exponents, and all figures', html`${exponents(report, 'locks')}${scaleFigures(report)}`)}`
  }`;
  return section(
    'scale',
    'Many held locks',
    intro,
    points.length + report.notMeasured.length > 0 ? content : undefined,
  );
}

export function waiters(report: Report): Markup {
  const intro =
    'All waiters of one process request one key at the same moment, and each gets one turn. Dashed: the fitted cost.';
  const points = report.waiters;
  const content = html`${gaps(report, 'waiters')}${
    points.length > 0 &&
    html`${legend(report, present(report, points))}
${charts(curves(report, 'waiters', 'waiters'))}
${details('Exponents, and all figures', html`${exponents(report, 'waiters')}${waiterFigures(report)}`)}`
  }`;
  return section('waiters', 'Many waiters', intro, points.length + report.notMeasured.length > 0 ? content : undefined);
}

/** Every measured point, and the curve over those that it was fitted to. */
function curves(report: Report, over: Growth['over'], name: string): Markup[] {
  const measured = over === 'locks' ? ofLocks(report.scale) : ofWaiters(report.waiters);
  return measured.map(({ cost, points }) => {
    const line = (id: Growth['backend']): Line => {
      const growth = report.growth.find((each) => each.over === over && each.cost === cost && each.backend === id);
      return {
        name: titleOf(report, id),
        colour: colourOf(id),
        shape: shapeOf(id),
        points: points.filter(({ backend }) => backend === id).map(({ n: x, y }) => ({ x, y })),
        fit: growth?.points.map(({ n }) => ({ x: n, y: growth.factor * n ** growth.exponent })) ?? [],
      };
    };
    const { title, axis } = costs[cost];
    return lines({ title }, { name, log: true }, { name: axis, log: true }, present(report, points).map(line));
  });
}

interface Measured {
  readonly cost: GrowthCost;
  readonly points: readonly { readonly backend: Growth['backend']; readonly n: number; readonly y: number }[];
}

function ofLocks(all: readonly ScalePoint[]): Measured[] {
  return (['clientCpu', 'serverCpu', 'requestsPerSecond', 'acquireMs'] as const).map((cost) => ({
    cost,
    points: all.flatMap((point) =>
      point[cost] === null ? [] : [{ backend: point.backend, n: point.locks, y: point[cost] }],
    ),
  }));
}

function ofWaiters(all: readonly WaitersPoint[]): Measured[] {
  const each = (cost: GrowthCost, value: (point: WaitersPoint) => number | null): Measured => ({
    cost,
    points: all.flatMap((point) => {
      const y = value(point);
      return y === null ? [] : [{ backend: point.backend, n: point.waiters, y }];
    }),
  });
  return [
    each('totalMs', ({ totalMs }) => totalMs),
    each('clientCpuUs', (point) => point.clientCpuUsPerWaiter * point.waiters),
    each('requests', ({ requestsPerWaiter, waiters: count }) => requestsPerWaiter && requestsPerWaiter * count),
  ];
}

function lag(report: Report): Markup {
  const line = (id: Growth['backend']): Line => ({
    name: titleOf(report, id),
    colour: colourOf(id),
    shape: shapeOf(id),
    points: report.scale
      .filter(({ backend }) => backend === id)
      .map((point) => ({ x: point.locks, y: point.eventLoopLagP99Ms })),
  });
  const axis = { name: 'ms', log: true };
  return lines(
    { title: 'Event-loop lag of the client, p99' },
    { name: 'held locks', log: true },
    axis,
    present(report, report.scale).map(line),
  );
}

function exponents(report: Report, over: Growth['over']): Markup {
  const all = report.growth.filter((each) => each.over === over);
  if (all.length === 0) return html`<p class="gap">No curve was fitted, because that takes two points.</p>`;
  const measured = [...new Set(all.map(({ cost }) => cost))];
  const cell = (id: Growth['backend'], cost: GrowthCost) => {
    const growth = all.find((each) => each.backend === id && each.cost === cost);
    return growth === undefined ? '–' : `${figure(growth.exponent)} (r² ${figure(growth.r2)})`;
  };
  return html`<p class="note">The fitted cost is factor × n ^ exponent. With an exponent of 1, it is linear; with 0, more ${over} cost nothing.</p>${table(
    present(report, all),
    [
      { head: 'backend', cell: (id) => titleOf(report, id) },
      ...measured.map((cost) => ({ head: costs[cost].title, cell: (id: Growth['backend']) => cell(id, cost) })),
    ],
    (id) => id,
  )}`;
}

const known = (value: number | null) => (value === null ? '–' : figure(value));

function scaleFigures(report: Report): Markup {
  return table(
    report.scale,
    [
      { head: 'backend', cell: ({ backend }) => titleOf(report, backend) },
      { head: 'locks', cell: ({ locks }) => locks.toLocaleString('en-US') },
      { head: 'TTL ms', cell: ({ ttlMs }) => ttlMs },
      { head: 'client cores', cell: ({ clientCpu }) => figure(clientCpu) },
      { head: 'server cores', cell: ({ serverCpu }) => known(serverCpu) },
      { head: 'requests/s', cell: ({ requestsPerSecond }) => known(requestsPerSecond) },
      { head: 'client bytes/lock', cell: ({ clientBytesPerLock }) => known(clientBytesPerLock) },
      { head: 'server bytes/lock', cell: ({ serverBytesPerLock }) => known(serverBytesPerLock) },
      { head: 'lag p99 ms', cell: ({ eventLoopLagP99Ms }) => figure(eventLoopLagP99Ms) },
      { head: 'acquired in ms', cell: ({ acquireMs }) => figure(acquireMs) },
      { head: 'connections', cell: ({ connections }) => connections ?? '–' },
      { head: 'lost', cell: ({ lost }) => lost },
    ],
    ({ backend }) => backend,
  );
}

function waiterFigures(report: Report): Markup {
  return table(
    report.waiters,
    [
      { head: 'backend', cell: ({ backend }) => titleOf(report, backend) },
      { head: 'waiters', cell: ({ waiters: count }) => count.toLocaleString('en-US') },
      { head: 'total ms', cell: ({ totalMs }) => figure(totalMs) },
      { head: 'wait p50 ms', cell: ({ waitMs }) => figure(waitMs.p50) },
      { head: 'wait p99 ms', cell: ({ waitMs }) => figure(waitMs.p99) },
      { head: 'client CPU µs each', cell: ({ clientCpuUsPerWaiter }) => figure(clientCpuUsPerWaiter) },
      { head: 'server CPU µs each', cell: ({ serverCpuUsPerWaiter }) => known(serverCpuUsPerWaiter) },
      { head: 'requests each', cell: ({ requestsPerWaiter }) => known(requestsPerWaiter) },
    ],
    ({ backend }) => backend,
  );
}
