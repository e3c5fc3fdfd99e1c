import { figure } from '../../../format.ts';
import type { Fault, FaultId, Report } from '../../schema.ts';
import { titleOf } from '../backends.ts';
import { charts } from '../chart.ts';
import { details, html, type Markup, table } from '../markup.ts';
import { spoken, timeline } from '../timeline.ts';
import { middleMs } from '../uses.ts';
import { gaps, section } from './gaps.ts';

const headings: Readonly<Record<FaultId, string>> = {
  'holder-killed': 'The holder is killed',
  'holder-paused': 'The holder is paused past its lease',
  'server-frozen': 'The server freezes',
  'server-restarted': 'The server is killed and restarted',
  'server-emptied': 'The server is killed and comes back empty',
  'leader-killed': 'The leader of three servers is killed',
  partition: 'The network swallows what the holder sends',
  'clock-jump': 'The clock of the holder jumps',
};

export function faults(report: Report): Markup {
  const intro = html`One process holds a key and goes on writing to a fenced resource without looking at its loss signal; another waits; something breaks at 0 s.
A bar lasts as long as the holder may believe in its hold. Red stands for two holders at once, which must not be.
<b>!</b> told of the loss; <b class="good">×</b> a late write of the old holder, refused by the fencing token; <b class="bad">●</b> one that got through.`;
  const all = report.faults;
  const ids = (Object.keys(headings) as FaultId[]).filter((id) => all.some((fault) => fault.id === id));
  const content = html`${gaps(report, 'faults')}${all.length > 0 && html`${overview(report)}${ids.map((id) => group(report, id))}`}`;
  return section(
    'faults',
    'What happens when something breaks',
    intro,
    all.length + report.notMeasured.length > 0 ? content : undefined,
  );
}

function group(report: Report, id: FaultId): Markup {
  const all = report.faults.filter((fault) => fault.id === id);
  const [title, ...others] = new Set(all.map((fault) => fault.title));
  const common = others.length === 0;
  return html`<h3>${headings[id]}</h3>${common && html`<p>${title}.</p>`}${charts(
    all.map((fault) => one(fault, nameOf(report, fault) + (common ? '' : `: ${fault.title}`))),
  )}`;
}

function one(fault: Fault, title: string): Markup {
  return html`<div>${timeline(fault, { title })}
<p class="note">${verdict(fault)} ${times(fault)}</p>
${fault.expected !== '' && html`<p class="note"><span class="warn">Can happen here:</span> ${fault.expected}</p>`}
${details('Moments', moments(fault))}</div>`;
}

function verdict({ violations, overlapMs, staleWrites, rounds }: Fault): Markup {
  const broken = violations.length > 0 || overlapMs > 0 || staleWrites.accepted > 0;
  const of = rounds === 1 ? 'one round' : `${rounds} rounds`;
  if (!broken) return html`<b class="good">Never two holders</b> in ${of}.`;
  return html`<b class="bad">${count(violations.length, 'violation')}</b> in ${of}, overlap ${figure(overlapMs)} ms, ${count(staleWrites.accepted, 'stale write')} accepted.`;
}

function times({ nextHolderMs, holderToldMs, holderKept, serviceBackMs, staleWrites, gapMs, ttlMs }: Fault): string {
  return [
    `TTL ${figure(ttlMs / 1000)} s.`,
    nextHolderMs.length > 0 && `Next holder after ${range(nextHolderMs)}.`,
    holderToldMs.length > 0 && `Old holder told after ${range(holderToldMs)}.`,
    holderKept > 0 && `Kept its lock through the fault in ${count(holderKept, 'round')}.`,
    serviceBackMs.length > 0 && `Locks could be had again after ${range(serviceBackMs)}.`,
    gapMs !== null && gapMs >= 0 && `Shortest gap between the two holds ${figure(gapMs)} ms.`,
    staleWrites.refused > 0 && `${count(staleWrites.refused, 'late write')} refused.`,
  ]
    .filter((sentence) => sentence !== false)
    .join(' ');
}

const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`;

function range(values: readonly number[]): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return figure(low) === figure(high) ? `${figure(low)} ms` : `${figure(low)} to ${figure(high)} ms`;
}

function nameOf(report: Report, { backend, setup }: Fault): string {
  return titleOf(report, backend) + (setup === '' ? '' : `, ${setup}`);
}

function moments(fault: Fault): Markup {
  const events = fault.timeline.map((event) => html`<li>${spoken(event)}</li>`);
  const found = fault.violations.map((violation) => html`<li class="bad">${violation}</li>`);
  return html`<ul class="events">${events}${found}</ul>`;
}

/** All faults at one look: a line for each fault and set-up. */
function overview(report: Report): Markup {
  const order = Object.keys(headings);
  const rows = [...report.faults].sort((a, b) => order.indexOf(a.id) - order.indexOf(b.id));
  return table(rows, [
    { head: 'fault', cell: ({ id }) => headings[id] },
    { head: 'backend', words: true, cell: (fault) => nameOf(report, fault) },
    { head: 'two holders', words: true, cell: verdictWord },
    { head: 'overlap ms', cell: ({ overlapMs }) => (overlapMs === 0 ? 0 : figure(overlapMs)) },
    { head: 'next holder', cell: ({ nextHolderMs }) => middleMs(nextHolderMs) },
    { head: 'told', cell: ({ holderToldMs }) => middleMs(holderToldMs) },
    { head: 'back', cell: ({ serviceBackMs }) => middleMs(serviceBackMs) },
    { head: 'stale refused', cell: ({ staleWrites }) => staleWrites.refused },
    { head: 'stale accepted', cell: ({ staleWrites }) => staleWrites.accepted },
  ]);
}

function verdictWord({ violations, overlapMs, expected }: Fault): Markup {
  if (violations.length > 0 || overlapMs > 0) return html`<b class="bad">yes</b>`;
  return expected === ''
    ? html`<span class="good">never</span>`
    : html`<span class="warn">not seen, but possible</span>`;
}
