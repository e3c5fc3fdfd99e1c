import type { BackendId, Report } from '../schema.ts';
import { html, type Markup, ofBackend } from './markup.ts';

/**
 * A colour and a shape for each backend, the same in all charts: who cannot tell the colours apart has the shapes. All are filled, since
 * hollow means raw calls, and none is used for anything else.
 */
const shapes: Readonly<Record<BackendId, string>> = {
  memory: 'roundRect',
  ioredis: 'circle',
  'node-redis': 'path://M1 2h8l-4 7z',
  redlock: 'diamond',
  zookeeper: 'triangle',
  etcd: 'rect',
  postgres: 'pin',
};

export const colourOf = (backend: BackendId): string => `var(--${backend})`;
export const shapeOf = (backend: BackendId): string => shapes[backend];

/** The name for people, of a backend of the report. */
export function titleOf(report: Report, id: BackendId): string {
  return report.backends.find((backend) => backend.id === id)?.title ?? id;
}

/** Those of the backends that a part has figures of, in the order of display. */
export function present(report: Report, points: readonly { readonly backend: BackendId }[]): BackendId[] {
  return report.backends.map(({ id }) => id).filter((id) => points.some(({ backend }) => backend === id));
}

const outlines: Readonly<Record<string, string>> = {
  roundRect: 'M1 3h8v4h-8z',
  circle: 'M5 1a4 4 0 1 0 0.01 0z',
  'path://M1 2h8l-4 7z': 'M1 2h8l-4 7z',
  diamond: 'M5 0l5 5-5 5-5-5z',
  triangle: 'M5 1l4 8h-8z',
  rect: 'M1 1h8v8h-8z',
  pin: 'M5 10l-3.5-5a4 4 0 1 1 7 0z',
};

export function legend(report: Report, ids: readonly BackendId[]): Markup {
  const entry = (id: BackendId) => {
    return html`<li${ofBackend(id)}><svg width="12" height="12" viewBox="-1 -1 12 12" aria-hidden="true"><path d="${outlines[shapeOf(id)]}" fill="${colourOf(id)}" stroke="${colourOf(id)}" stroke-width="1.5"/></svg> ${titleOf(report, id)}</li>`;
  };
  return html`<ul class="legend">${ids.map(entry)}</ul>`;
}

/**
 * Boxes to tick, one for each backend, and the rules that hide what is not ticked: rows, columns and drawings of the backend, and what
 * has its colour in a chart. It needs no script.
 */
export function filter({ backends }: Report): Markup {
  const boxes = backends.map(
    ({ id, title }) => html`<label><input type="checkbox" id="show-${id}" checked> ${title}</label>\n`,
  );
  const rules = backends.map(({ id }) => {
    const marks = `[data-backend="${id}"], [fill="${colourOf(id)}"], [stroke="${colourOf(id)}"]`;
    return `:root:has(#show-${id}:not(:checked)) main :is(${marks}) { display: none; }\n`;
  });
  return html`<fieldset class="filter"><legend>Show in tables and charts</legend>${boxes}</fieldset>
<style>${{ html: rules.join('') }}</style>
`;
}
