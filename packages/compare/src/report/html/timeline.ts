import type { CustomSeriesRenderItem } from 'echarts';
import { figure } from '../../format.ts';
import type { Fault, FaultEvent } from '../schema.ts';
import { colourOf } from './backends.ts';
import { type ChartFrame, chart, chartWidth, ink } from './chart.ts';
import type { Markup } from './markup.ts';

const lanes = ['fault', 'holder', 'next', 'resource'] as const;
const laneTitles = { fault: 'fault', holder: 'old holder', next: 'next holder', resource: 'resource' };
const [laneHeight, barHeight, left, right, bottom, height] = [26, 12, 72, 12, 20, 130];

interface Bar {
  readonly lane: number;
  readonly from: number;
  readonly to: number;
  readonly fill: string;
}

/** Who believed to hold the lock, and when, around the fault at 0. */
export function timeline(fault: Fault, frame: Pick<ChartFrame, 'title' | 'note'>): Markup {
  const { from, to } = windowOf(fault.timeline);
  const label = `${frame.title}. ${fault.timeline.map(spoken).join('; ')}`;
  return chart(
    { ...frame, label, height },
    {
      grid: { left, right, top: 4, bottom },
      xAxis: {
        type: 'value',
        min: from,
        max: to,
        splitNumber: 5,
        axisLine: { show: false },
        axisTick: { show: false },
        splitLine: { lineStyle: { color: ink.line } },
        axisLabel: {
          color: ink.quiet,
          fontSize: 10,
          hideOverlap: true,
          showMinLabel: false,
          showMaxLabel: false,
          formatter: seconds,
        },
      },
      yAxis: { type: 'value', min: 0, max: lanes.length, inverse: true, show: false },
      series: [{ type: 'custom', data: [[from, 0]], renderItem: drawer(fault, from, to) }],
    },
  );
}

function drawer(fault: Fault, from: number, to: number): CustomSeriesRenderItem {
  return (_params, api) => {
    const x = (atMs: number) => api.coord([atMs, 0])[0]!;
    const y = (lane: number) => api.coord([from, lane])[1]!;
    const bars = [...barsOf(fault, from, to)].map(({ lane, from: start, to: end, fill }) => ({
      type: 'rect' as const,
      shape: {
        x: x(start),
        y: y(lane) + (laneHeight - barHeight) / 2,
        width: Math.max(2, x(end) - x(start)),
        height: barHeight,
        r: 2,
      },
      style: { fill },
    }));
    const names = lanes.map((lane, i) => ({
      type: 'text' as const,
      style: {
        text: laneTitles[lane],
        x: left - 8,
        y: y(i) + laneHeight / 2,
        align: 'right' as const,
        verticalAlign: 'middle' as const,
        fill: ink.quiet,
        fontSize: 11,
      },
    }));
    const moment = {
      type: 'line' as const,
      shape: { x1: x(0), x2: x(0), y1: 4, y2: height - bottom },
      style: { stroke: ink.text, lineWidth: 1 },
    };
    const marks = fault.timeline
      .filter(({ kind }) => kind in signs)
      .map((event) => mark(event, x(event.atMs), y(lanes.indexOf(event.who))));
    return { type: 'group', children: [...names, moment, ...bars, ...marks] };
  };
}

/** Told of the loss; a late write that was refused, as it must be; one that was taken. */
const signs: Readonly<Partial<Record<FaultEvent['kind'], { readonly sign: string; readonly fill: string }>>> = {
  lost: { sign: '!', fill: ink.text },
  'write-refused': { sign: '×', fill: 'var(--good)' },
  'stale-accepted': { sign: '✓', fill: ink.bad },
};

function mark({ kind }: FaultEvent, x: number, top: number) {
  const { sign, fill } = signs[kind]!;
  // The loss ends a bar, and would not be seen on it.
  const beside = kind === 'lost' ? x + 5 : x;
  const inside = Math.min(Math.max(beside, left + 4), chartWidth - right - 4);
  return {
    type: 'text' as const,
    style: {
      text: sign,
      x: inside,
      y: top + laneHeight / 2,
      align: 'center' as const,
      verticalAlign: 'middle' as const,
      fill,
      fontSize: 14,
      fontWeight: 700,
    },
  };
}

function* barsOf({ timeline: events, backend, overlapMs }: Fault, from: number, to: number): Iterable<Bar> {
  const at = (who: FaultEvent['who'], ...kinds: FaultEvent['kind'][]) =>
    events.find((event) => event.who === who && kinds.includes(event.kind))?.atMs;
  const faultEnds = at('fault', 'fault-ends');
  yield { lane: 0, from: 0, to: faultEnds ?? 0, fill: ink.quiet };
  const heldUntil = at('holder', 'lease-ends', 'lost', 'released') ?? to;
  yield { lane: 1, from: Math.max(from, at('holder', 'granted') ?? from), to: heldUntil, fill: colourOf(backend) };
  const nextFrom = at('next', 'granted');
  if (nextFrom === undefined) return;
  yield { lane: 2, from: nextFrom, to: at('next', 'released') ?? to, fill: colourOf(backend) };
  if (overlapMs > 0 && heldUntil > nextFrom) {
    for (const lane of [1, 2]) yield { lane, from: nextFrom, to: heldUntil, fill: ink.bad };
  }
}

/** From the first to the last event, with some air on both sides. */
function windowOf(events: readonly FaultEvent[]): { from: number; to: number } {
  const times = [0, ...events.map(({ atMs }) => atMs)];
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const air = Math.max(10, (last - first) * 0.05);
  return { from: first - air, to: last + air };
}

const seconds = (ms: number): string => `${Number((ms / 1000).toFixed(2))} s`;

export function spoken({ atMs, who, text }: FaultEvent): string {
  return `${figure(atMs)} ms, ${laneTitles[who]}: ${text}`;
}
