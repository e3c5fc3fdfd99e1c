/** HTML that goes into the page as it is. */
export interface Markup {
  readonly html: string;
}

type Value = Markup | string | number | null | undefined | false | readonly Value[];

/** A template whose values are escaped, except those that are markup already; `null`, `undefined` and `false` are nothing. */
export function html(strings: TemplateStringsArray, ...values: Value[]): Markup {
  return { html: strings.reduce((page, text, i) => page + rendered(values[i - 1]) + text) };
}

function rendered(value: Value): string {
  if (value === null || value === undefined || value === false) return '';
  if (typeof value === 'string' || typeof value === 'number') return escapeHtml(String(value));
  return 'html' in value ? value.html : value.map(rendered).join('');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escapeHtml = (text: string): string => text.replaceAll(/[&<>"']/g, (mark) => entities[mark]!);

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => Value;
  /** Words stand on the left, figures on the right. */
  readonly words?: boolean;
  /** The backend that the whole column is about, for the filter. */
  readonly backend?: string;
}

/** What the filter of the page hides when its backend is not to be shown. */
export const ofBackend = (id: string | undefined): Markup | undefined =>
  id === undefined ? undefined : html` data-backend="${id}"`;

/**
 * A table that scrolls sideways by itself where the screen is narrow. A column with nothing in it is left out. Of rows that begin alike,
 * the first cell stands out once: each has it all the same, since the filter may hide the first of them.
 */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  backendOf: (row: Row) => string | undefined = () => undefined,
): Markup {
  const [first, ...others] = columns;
  const rest = others.filter(({ cell }) => rows.some((row) => !['', '–'].includes(rendered(cell(row)))));
  const heads = rows.map((row) => rendered(first!.cell(row)));
  const head = (i: number): Markup =>
    html`<th scope="row"${heads[i] === heads[i - 1] && html` class="again"`}>${{ html: heads[i]! }}</th>`;
  const side = ({ words }: Column<Row>) => (words ? 'words' : 'figure');
  const line = (row: Row, i: number) =>
    html`<tr${ofBackend(backendOf(row))}>${head(i)}${rest.map((column) => html`<td class="${side(column)}"${ofBackend(column.backend)}>${column.cell(row)}</td>`)}</tr>\n`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table: ${first!.head}, ${rest.map(({ head }) => head).join(', ')}"><table>
<thead><tr><th scope="col">${first!.head}</th>${rest.map((column) => html`<th scope="col" class="${side(column)}"${ofBackend(column.backend)}>${column.head}</th>`)}</tr></thead>
<tbody>
${rows.map(line)}</tbody></table></div>`;
}

/** Figures that stay closed on the screen until somebody asks for them. */
export function details(summary: string, content: Markup): Markup {
  return html`<details><summary>${summary}</summary>${content}</details>`;
}
