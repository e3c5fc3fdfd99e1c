import { type EChartsOption, init } from 'echarts';
import { html, type Markup } from './markup.ts';

/** As wide as a phone: charts stand side by side where there is more room, so that their text never shrinks. */
export const chartWidth = 360;

/** Colours are variables of the page, so that one drawing serves light, dark and print. */
export const ink = {
  text: 'var(--text)',
  quiet: 'var(--quiet)',
  line: 'var(--line)',
  bad: 'var(--bad)',
  paper: 'var(--paper)',
};

const textStyle = { color: ink.quiet, fontFamily: 'system-ui, sans-serif', fontSize: 11 };

export interface ChartFrame {
  readonly title: string;
  /** What the drawing shows, for those who do not see it. */
  readonly label: string;
  readonly height: number;
  readonly note?: string;
}

/** Draws a chart as SVG within the page: no script, nothing to load. */
export function chart({ title, label, height, note }: ChartFrame, option: EChartsOption): Markup {
  const drawing = init(null, null, { renderer: 'svg', ssr: true, width: chartWidth, height });
  drawing.setOption({ animation: false, textStyle, ...option });
  const svg = compact(drawing.renderToSVGString());
  drawing.dispose();
  return html`<figure>
<figcaption>${title}</figcaption>
${{ html: svg.replace('<svg ', `<svg role="img" aria-label="${html`${label}`.html}" `) }}
${note !== undefined && html`<p class="note">${note}</p>`}
</figure>`;
}

/** Without what the browser knows anyway, and with a tenth of a pixel as the smallest step. */
function compact(svg: string): string {
  return svg
    .replaceAll(/ xmlns(:xlink)?="[^"]*"| xml:space="[^"]*"| version="1\.1"| baseProfile="full"/g, '')
    .replaceAll(/<style >\s*<!\[CDATA\[[\s\S]*?\]\]>\s*<\/style>/g, '')
    .replaceAll(/<[^>]+>/g, (tag) =>
      tag.replaceAll(/-?\d+\.\d{2,}/g, (number) => String(Math.round(Number(number) * 10) / 10)),
    );
}

/** Side by side as many as fit. */
export function charts(figures: readonly Markup[]): Markup {
  return html`<div class="charts">${figures}</div>`;
}
