import type { SeriesOption } from 'echarts';
import { logAxis, short } from './boxes.ts';
import { type ChartFrame, chart, ink } from './chart.ts';
import type { Markup } from './markup.ts';

export interface Line {
  readonly name: string;
  readonly colour: string;
  readonly shape: string;
  readonly points: readonly Point[];
  /** Drawn behind, dashed: the fitted curve. */
  readonly fit?: readonly Point[];
}

export interface Point {
  readonly x: number;
  readonly y: number;
  /** Between which values half of the rounds were. */
  readonly low?: number;
  readonly high?: number;
}

export interface Axis {
  readonly name: string;
  readonly log: boolean;
  /** Of an axis that is not logarithmic, or whose values are too close for it; from 0 where nothing is said. */
  readonly min?: number;
  readonly max?: number;
  /** Marks at these values only, evenly far apart. */
  readonly at?: readonly number[];
}

const height = 220;

/** Curves over a common axis; the text beside them gives the ends of each. */
export function lines(frame: Omit<ChartFrame, 'height' | 'label'>, x: Axis, y: Axis, all: readonly Line[]): Markup {
  const drawn = all.map((line) => ({
    ...line,
    points: line.points.filter(shown(x, y)),
    fit: line.fit?.filter(shown(x, y)),
  }));
  const values = (pick: (point: Point) => number) =>
    drawn.flatMap(({ points, fit }) => [...points, ...(fit ?? [])].map(pick)).filter((value) => value > 0);
  const xAxis = {
    ...axis(
      x,
      values((point) => point.x),
    ),
    name: x.name,
    nameLocation: 'middle' as const,
    nameGap: 22,
  };
  return chart(
    { ...frame, label: `${frame.title}. ${spoken(drawn, x, y)}`, height },
    {
      grid: { left: 44, right: 14, top: 24, bottom: 40 },
      xAxis: xAxis as object,
      yAxis: {
        ...axis(
          y,
          values((point) => point.y),
        ),
        name: y.name,
        nameLocation: 'end',
        nameGap: 10,
        nameTextStyle: { align: 'left', padding: [0, 0, 0, -40] },
      } as object,
      series: drawn.flatMap((line) => series(line, x)),
    },
  );
}

const shown = (x: Axis, y: Axis) => (point: Point) => (!x.log || point.x > 0) && (!y.log || point.y > 0);

/** Less than a power of ten apart: a logarithmic axis would show one tick or two. */
const narrow = (values: readonly number[]) => values.length > 0 && Math.max(...values) < 10 * Math.min(...values);

function axis({ log, min = 0, max, at }: Axis, values: readonly number[]) {
  if (at !== undefined) {
    const label = { color: ink.quiet, fontSize: 10 };
    return {
      type: 'category',
      data: at.map(String),
      axisLabel: label,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: ink.line } },
    };
  }
  if (log && !narrow(values)) return logAxis(values.length > 0 ? values : [1, 10], '');
  return {
    type: 'value',
    min,
    max,
    interval: max === 1 ? 0.25 : undefined,
    splitLine: { lineStyle: { color: ink.line } },
    axisLabel: { color: ink.quiet, fontSize: 10, formatter: short },
  };
}

function series({ name, colour, shape, points, fit }: Line, x: Axis): SeriesOption[] {
  const at = (point: Point): [string | number, number] => [x.at === undefined ? point.x : String(point.x), point.y];
  const dashed: SeriesOption = {
    type: 'line',
    name: `${name}, fitted`,
    data: (fit ?? []).map(at),
    showSymbol: false,
    lineStyle: { color: colour, width: 1, type: 'dashed' },
  };
  const curve: SeriesOption = {
    type: 'line',
    name,
    data: points.map(at),
    symbol: shape,
    symbolSize: 7,
    lineStyle: { color: colour, width: fit === undefined ? 2 : 0 },
    itemStyle: { color: colour },
  };
  return fit === undefined ? [curve, ...spans(points, x, colour)] : [dashed, curve];
}

/** Upright strokes from `low` to `high`, each a line of its own. */
function spans(points: readonly Point[], x: Axis, colour: string): SeriesOption[] {
  return points
    .filter(({ low, high }) => low !== undefined && high !== undefined && low > 0)
    .map((point) => {
      const place = x.at === undefined ? point.x : String(point.x);
      return {
        type: 'line',
        data: [
          [place, point.low!],
          [place, point.high!],
        ],
        showSymbol: false,
        lineStyle: { color: colour, width: 4, opacity: 0.35 },
      };
    });
}

function spoken(all: readonly Line[], x: Axis, y: Axis): string {
  const ends = ({ name, points }: Line) => {
    const [first, last] = [points[0], points.at(-1)];
    if (first === undefined || last === undefined) return `${name}: nothing measured`;
    return `${name}: ${y.name} ${short(first.y)} at ${short(first.x)}, ${short(last.y)} at ${short(last.x)} (${x.name})`;
  };
  return all.map(ends).join('; ');
}
