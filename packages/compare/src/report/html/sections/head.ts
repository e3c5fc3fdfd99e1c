import { figure } from '../../../format.ts';
import { dateOf } from '../../date.ts';
import type { Report } from '../../schema.ts';
import { html, type Markup } from '../markup.ts';
import { recommendations } from '../recommend.ts';
import { section } from './gaps.ts';

/** When, where, how long; and what must not be overlooked. */
export function head(report: Report): Markup {
  const { backends, startedAt, tookMs, mode, machine, failures } = report;
  const unexpected = report.faults.filter(
    ({ violations, expected }) => violations.length > 0 && expected === '',
  ).length;
  return html`<header>
<h1>Which lock? Redis, Redlock, ZooKeeper and etcd, measured</h1>
<p>${backends.map(({ title }) => title).join(', ')}, all through Holdfast. ${dateOf(report)}, ${mode === 'quick' ? 'quick' : 'full'} run of ${figure(tookMs / 60_000)} minutes, started ${startedAt.slice(11, 16)} UTC.
On ${machine.cpu}, ${machine.memory}, ${machine.system}, Node ${machine.node}.</p>
${machine.load > 0.5 && html`<p class="caution">Other work ran on this machine at the start (load ${figure(machine.load)}). Trust ratios more than figures, and small differences not at all.</p>`}
${mode === 'quick' && html`<p class="caution">A quick run: few rounds, short slices. It shows orders of magnitude; take a full run before you decide.</p>`}
${unexpected > 0 && html`<p class="alarm"><strong class="bad">${unexpected} unexpected violation${unexpected > 1 ? 's' : ''}</strong> of mutual exclusion or fencing under faults: see <a href="#faults">Faults</a>.</p>`}
${failures.length > 0 && html`<div class="alarm"><strong class="bad">This run failed; do not rely on its figures.</strong><ul>${failures.map((failure) => html`<li>${failure}</li>`)}</ul></div>`}
</header>
`;
}

export function choices(report: Report): Markup {
  const cards = recommendations(report).map(
    ({ use, answer, backends, because, rule }) => html`<div class="card"><h3>${use}</h3>
<p class="answer${backends.length === 0 ? ' warn' : ''}">${answer}</p>
${because.map((sentence) => html`<p>${sentence}</p>`)}
<p class="note">Decided by: ${rule}</p></div>`,
  );
  const intro =
    'For each use the backend that did best in this run. The sentences are computed from the figures further down: on another machine, or another network, they may name another one.';
  return section('choose', 'What to take for what', intro, html`<div class="cards">${cards}</div>`);
}
