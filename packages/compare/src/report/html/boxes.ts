import type { CustomSeriesRenderItem, XAXisComponentOption as XAXisOption } from 'echarts';
import { figure } from '../../format.ts';
import type { Distribution } from '../schema.ts';
import { type ChartFrame, chart, chartWidth, ink } from './chart.ts';
import type { Markup } from './markup.ts';

export interface Box {
  readonly name: string;
  readonly colour: string;
  readonly values: Distribution;
  /** Drawn hollow: what the others are measured against. */
  readonly reference?: boolean;
}

export const boxLegend =
  'Bar: the middle half of all values, with the median as a line; whiskers: 10 % to 99 %; plus: 99.9 %. Logarithmic axis.';

const [rowHeight, top, bottom, margin] = [36, 4, 22, 10];
const [boxAt, boxHeight, labelSize, summaryWidth] = [24, 10, 11, 165];

/** One distribution to a row, drawn from its quantiles: an average would hide the slow ones. */
export function boxes(frame: Omit<ChartFrame, 'height' | 'label'>, unit: string, rows: readonly Box[]): Markup {
  const values = rows.flatMap(({ values: { p10, p999 } }) => [p10, p999]).filter((value) => value > 0);
  const label = `${frame.title}. ${rows.map((row) => `${row.name}: ${summary(row.values, unit)}`).join('; ')}`;
  const height = top + rows.length * rowHeight + bottom;
  return chart(
    { ...frame, label, height },
    {
      grid: { left: margin, right: margin, top, bottom },
      xAxis: logAxis(values, unit),
      yAxis: { type: 'value', min: 0, max: rows.length, inverse: true, show: false },
      series: [
        { type: 'custom', data: rows.map((_, row) => [Math.min(...values), row]), renderItem: drawer(rows, unit) },
      ],
    },
  );
}

function drawer(rows: readonly Box[], unit: string): CustomSeriesRenderItem {
  return (params, api) => {
    const row = rows[params.dataIndex]!;
    const { values, colour, reference } = row;
    const y = api.coord([Math.max(values.p10, Number.MIN_VALUE), params.dataIndex])[1]!;
    const x = (value: number) => api.coord([Math.max(value, api.value(0) as number), 0])[0]!;
    const middle = y + boxAt + boxHeight / 2;
    const line = (from: number, to: number) => ({
      type: 'line' as const,
      shape: { x1: x(from), x2: x(to), y1: middle, y2: middle },
      style: { stroke: colour, lineWidth: 1.5 },
    });
    return {
      type: 'group',
      children: [
        text(row.name, margin, y, 'left', ink.text, chartWidth - 2 * margin - summaryWidth),
        text(summary(values, unit), chartWidth - margin, y, 'right', ink.quiet),
        line(values.p10, values.p25),
        line(values.p75, values.p99),
        {
          type: 'rect',
          shape: {
            x: x(values.p25),
            y: y + boxAt,
            width: Math.max(2, x(values.p75) - x(values.p25)),
            height: boxHeight,
          },
          style: { fill: reference ? ink.paper : colour, stroke: colour, lineWidth: 1 },
        },
        {
          type: 'line',
          shape: { x1: x(values.p50), x2: x(values.p50), y1: y + boxAt - 3, y2: y + boxAt + boxHeight + 3 },
          style: { stroke: ink.text, lineWidth: 2 },
        },
        plus(x(values.p999), middle, colour),
      ],
    };
  };
}

function plus(cx: number, cy: number, colour: string) {
  const arm = (x: number, y: number) => ({
    type: 'line' as const,
    shape: { x1: cx - x, x2: cx + x, y1: cy - y, y2: cy + y },
    style: { stroke: colour, lineWidth: 1.5 },
  });
  return { type: 'group' as const, children: [arm(3, 0), arm(0, 3)] };
}

/** Cut where it would reach into what stands beside it, if it has a width. */
function text(content: string, x: number, y: number, align: 'left' | 'right', fill: string, width?: number) {
  const font = { fontSize: labelSize, fontFamily: 'system-ui, sans-serif' };
  const room = width === undefined ? {} : { width, overflow: 'truncate' as const, ellipsis: '…' };
  return { type: 'text' as const, style: { text: content, x, y: y + 7, align, fill, ...font, ...room } };
}

function summary({ p50, p99 }: Distribution, unit: string): string {
  return `p50 ${fine(p50)} · p99 ${fine(p99)} ${unit}`;
}

/** Two digits also of what is very small: a median is not 0.00. */
function fine(value: number): string {
  return value > 0 && value < 0.1 ? String(Number(value.toPrecision(2))) : figure(value);
}

/** From power of ten to power of ten. */
export function logAxis(values: readonly number[], name: string): XAXisOption {
  const low = 10 ** Math.floor(Math.log10(Math.min(...values)) + 1e-9);
  const high = 10 ** Math.ceil(Math.log10(Math.max(...values)) - 1e-9);
  return {
    type: 'log' as const,
    min: low,
    max: Math.max(high, low * 10),
    axisLine: { show: false },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: ink.line } },
    axisLabel: {
      color: ink.quiet,
      fontSize: 10,
      hideOverlap: true,
      formatter: (value: number) => `${short(value)} ${name}`.trim(),
    },
  };
}

/** `10k`, `0.01`: for the ticks of an axis. */
export function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6}M`;
  return value >= 1e3 ? `${value / 1e3}k` : String(Number(value.toPrecision(3)));
}
