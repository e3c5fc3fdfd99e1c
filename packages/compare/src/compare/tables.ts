import { figure, spreadText } from '../format.ts';
import type { Contention, Fault, Report, RivalContention } from '../report/schema.ts';
import { quantile } from '../stats.ts';
import type { Table } from '../suite.ts';

/** The report in a few tables for a terminal; the page has the rest. */
export function tablesOf(report: Report): Table[] {
  const tables = [
    uncontendedTable(report),
    contentionTable(report),
    waitersTable(report),
    scaleTable(report),
    growthTable(report),
    faultTable(report),
    rivalTable(report),
  ];
  return tables.filter(({ rows }) => rows.length > 0);
}

const some = (value: number | null): string => (value === null ? '–' : figure(value));

function uncontendedTable({ uncontended }: Report): Table {
  return {
    title: 'Free locks: acquire and release. Ratios are to the smallest sequence of raw calls, within each round.',
    head: ['', 'in flight', 'ops/s', 'ratio', 'p50 µs', 'p99 µs', 'CPU µs/op'],
    rows: uncontended.map(({ backend, who, inFlight, opsPerSecond, ratioToRaw, latencyUs, clientCpuUs }) => [
      who === 'raw' ? `${backend} raw` : backend,
      String(inFlight),
      figure(opsPerSecond.median),
      ratioToRaw === null ? '' : spreadText(ratioToRaw),
      figure(latencyUs.p50),
      figure(latencyUs.p99),
      figure(clientCpuUs.median),
    ]),
  };
}

const cellOf = ({ waiters, processes, holdMs }: Contention | RivalContention): string =>
  `${waiters} in ${processes}, ${holdMs} ms`;

function contentionTable({ contention }: Report): Table {
  return {
    title: 'One key that all want: waiters in processes, hold. Hand-overs are to another waiter.',
    head: [
      '',
      'waiters',
      'hand-overs/s',
      'p50 ms',
      'p99 ms',
      'Jain',
      'most/fewest',
      'longest wait ms',
      '/ strict',
      'requests each',
    ],
    rows: contention.map((line) => [
      line.backend,
      cellOf(line),
      figure(line.handOversPerSecond.median),
      figure(line.handOverMs.p50),
      figure(line.handOverMs.p99),
      figure(line.jain),
      some(line.mostToFewest),
      figure(line.longestWaitMs),
      some(line.longestToStrict ?? null),
      some(line.requestsPerHandOver),
    ]),
  };
}

function waitersTable({ waiters }: Report): Table {
  return {
    title: 'Many waiters of one process for one key, one turn each',
    head: ['', 'waiters', 'all served after ms', 'wait p50 ms', 'client µs each', 'server µs each', 'requests each'],
    rows: waiters.map((point) => [
      point.backend,
      point.waiters.toLocaleString('en-US'),
      figure(point.totalMs),
      figure(point.waitMs.p50),
      figure(point.clientCpuUsPerWaiter),
      some(point.serverCpuUsPerWaiter),
      some(point.requestsPerWaiter),
    ]),
  };
}

function scaleTable({ scale }: Report): Table {
  const ttls = [...new Set(scale.map(({ ttlMs }) => `${ttlMs / 1_000} s`))].join(', ');
  return {
    title: `Held locks of one process, TTL ${ttls}. CPU in cores.`,
    head: [
      '',
      'locks',
      'client CPU',
      'server CPU',
      'requests/s',
      'client B/lock',
      'server B/lock',
      'lag p99 ms',
      'lost',
    ],
    rows: scale.map((point) => [
      point.backend,
      point.locks.toLocaleString('en-US'),
      figure(point.clientCpu),
      some(point.serverCpu),
      some(point.requestsPerSecond),
      some(point.clientBytesPerLock),
      some(point.serverBytesPerLock),
      figure(point.eventLoopLagP99Ms),
      String(point.lost),
    ]),
  };
}

function growthTable({ growth }: Report): Table {
  return {
    title: 'How costs grow: cost = factor x n ^ exponent',
    head: ['', 'with the', 'cost', 'exponent', 'r²', 'from', 'to'],
    rows: growth.map(({ backend, over, cost, exponent, r2, points }) => [
      backend,
      over,
      cost,
      figure(exponent),
      figure(r2),
      (points[0]?.n ?? 0).toLocaleString('en-US'),
      (points.at(-1)?.n ?? 0).toLocaleString('en-US'),
    ]),
  };
}

function faultTable({ faults }: Report): Table {
  return {
    title:
      'What happens when things break. Overlap: two believed in the lock at once. Stale: writes of the old holder.',
    head: ['', 'fault', 'next holder ms', 'holder told ms', 'service back ms', 'overlap ms', 'stale refused/taken', ''],
    rows: faults.map((fault) => [
      fault.backend,
      [fault.id, fault.setup].filter((text) => text !== '').join(', '),
      fault.holderKept === fault.rounds ? 'holder kept it' : middle(fault.nextHolderMs),
      middle(fault.holderToldMs),
      middle(fault.serviceBackMs),
      figure(fault.overlapMs),
      `${fault.staleWrites.refused}/${fault.staleWrites.accepted}`,
      verdictOf(fault),
    ]),
  };
}

function middle(values: readonly number[]): string {
  return values.length === 0
    ? '–'
    : figure(
        quantile(
          values.toSorted((a, b) => a - b),
          0.5,
        ),
      );
}

function verdictOf({ violations, expected }: Fault): string {
  if (violations.length === 0) return 'safe';
  return expected === '' ? 'VIOLATED' : 'lost, as expected';
}

function rivalTable({ rivals }: Report): Table {
  const cells = [...new Set(rivals.flatMap(({ contention }) => contention.map(cellOf)))];
  return {
    title: `On the same Redis. Ratios are to the raw calls on the same Node; then hand-overs/s of ${cells.map((cell) => `[${cell}]`).join(' ')}.`,
    head: ['', 'delays', 'Node', 'ratio', '64: ratio', ...cells, 'Jain', 'longest wait ms', 'gave up'],
    rows: rivals.map(({ name, delays, client, sequential, inFlight, contention }) => {
      const last = contention.at(-1);
      return [
        name,
        delays.split(':')[0]!,
        client.split('Node ')[1] ?? '',
        sequential?.ratioToRaw ? spreadText(sequential.ratioToRaw) : '1',
        inFlight?.ratioToRaw ? spreadText(inFlight.ratioToRaw) : '1',
        ...cells.map((cell) => some(contention.find((one) => cellOf(one) === cell)?.handOversPerSecond.median ?? null)),
        some(last?.jain ?? null),
        some(last?.longestWaitMs ?? null),
        last === undefined ? '–' : String(contention.reduce((sum, { errors }) => sum + errors, 0)),
      ];
    }),
  };
}
