import { figure } from '../../../format.ts';
import { dateOf } from '../../date.ts';
import type { Report } from '../../schema.ts';
import { type Column, details, html, type Markup, table } from '../markup.ts';
import { cautions, type Place, type Recommendation, recommendations } from '../recommend.ts';
import { section } from './gaps.ts';

/** When, where, how long; and what must not be overlooked. */
export function head(report: Report): Markup {
  const { backends, startedAt, tookMs, mode, machine, failures } = report;
  const unexpected = report.faults.filter(
    ({ violations, expected }) => violations.length > 0 && expected === '',
  ).length;
  return html`<header>
<h1>Which lock? Redis, Redlock, ZooKeeper, etcd and PostgreSQL, measured</h1>
<p>${backends.map(({ title }) => title).join(', ')}, all through Holdfast. ${dateOf(report)}, ${mode === 'quick' ? 'quick' : 'full'} run of ${figure(tookMs / 60_000)} minutes, started ${startedAt.slice(11, 16)} UTC.
On ${machine.cpu}, ${machine.memory}, ${machine.system}, Node ${machine.node}.</p>
${machine.load > 0.5 && html`<p class="caution">Other work ran on this machine at the start (load ${figure(machine.load)}). Trust ratios more than absolute figures, and ignore small differences.</p>`}
${mode === 'quick' && html`<p class="caution">A quick run: few rounds, short slices. It shows orders of magnitude. Do a full run before you decide.</p>`}
${unexpected > 0 && html`<p class="alarm"><strong class="bad">${unexpected} unexpected violation${unexpected > 1 ? 's' : ''}</strong> of mutual exclusion or fencing under faults: see <a href="#faults">Faults</a>.</p>`}
${failures.length > 0 && html`<div class="alarm"><strong class="bad">This run failed; do not rely on its figures.</strong><ul>${failures.map((failure) => html`<li>${failure}</li>`)}</ul></div>`}
</header>
`;
}

/** So many places have a column each: what is further behind decides nothing. */
const ownColumns = 3;

/** The ranking of each use as one row, and below the table each warning once. */
export function choices(report: Report): Markup {
  const rows = recommendations(report);
  const columns = Array.from(
    { length: ownColumns },
    (_, i): Column<Recommendation> => ({
      head: i === 0 ? 'Best' : `${i + 1}`,
      words: true,
      cell: ({ places, answer }) => (i === 0 && places.length === 0 ? answer : placed(places[i])),
    }),
  );
  const others: Column<Recommendation> = {
    head: 'Then',
    words: true,
    cell: ({ places }) =>
      places.slice(ownColumns).map(({ name, figure, best }) => html`${named(name, best)} ${figure}<br>`),
  };
  const intro =
    'Computed from the figures below; on another machine or in another network, the order may differ. Bold: the best, and those that this run cannot tell from it.';
  const ruledOut = rows.flatMap(({ use, ruledOut }) => ruledOut.map((reason) => html`<li>${use}: ${reason}</li>`));
  const best = report.backends.map(({ id }) => id).filter((id) => rows.some(({ backends }) => backends.includes(id)));
  const notes = [...ruledOut, ...cautions(report, best).map((warning) => html`<li class="warn">${warning}</li>`)];
  const content = html`${table(rows, [{ head: 'Use', cell: ({ use }) => use }, ...columns, others])}
${notes.length > 0 && html`<ul class="wide">${notes}</ul>`}
${details('Which figure decides', html`<ul class="wide">${rows.map(({ use, rule }) => html`<li>${use}: ${rule}</li>`)}</ul>`)}`;
  return section('choose', 'Recommendations', intro, content);
}

const named = (name: string, best: boolean): Markup | string => (best ? html`<strong>${name}</strong>` : name);

const placed = (place: Place | undefined): Markup | string =>
  place === undefined ? '' : html`${named(place.name, place.best)}<br>${place.figure}`;
