import { figure } from '../../../format.ts';
import type { Fault, FaultId, Report } from '../../schema.ts';
import { titleOf } from '../backends.ts';
import { charts } from '../chart.ts';
import { details, html, type Markup, ofBackend, table } from '../markup.ts';
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
  const intro = html`One process holds a key and keeps writing to a fenced resource, ignoring its loss signal. Another process waits. A fault is injected at 0 s.
Each bar shows how long a holder may believe that it holds the key. Red: two holders at once, which must never happen.
<b>!</b> the holder learns of the loss; <b class="good">×</b> a late write of the old holder is refused because of its fencing token; <b class="bad">✓</b> a late write gets through.`;
  const all = report.faults;
  const exceptions = all.filter((fault) => verdictOf(fault) !== 'never');
  const others = all.filter((fault) => verdictOf(fault) === 'never');
  const content = html`${gaps(report, 'faults')}${exceptions.length > 0 && exceptional(report, exceptions)}${others.length > 0 && safe(report, others)}`;
  return section(
    'faults',
    'What happens when something breaks',
    intro,
    all.length + report.notMeasured.length > 0 ? content : undefined,
  );
}

/** What a user has to know comes first, with its drawings. */
function exceptional(report: Report, all: readonly Fault[]): Markup {
  return html`<h3>Two holders at once, or possible</h3>${overview(report, all)}${all
    .map(({ id }) => id)
    .filter((id, i, ids) => ids.indexOf(id) === i)
    .map((id) => drawings(report, id, all))}`;
}

/** All others have the same result, so their drawings stay closed. */
function safe(report: Report, all: readonly Fault[]): Markup {
  const closed = [...new Set(ordered(all).map(({ id }) => id))].map((id) => {
    const count = all.filter((fault) => fault.id === id).length;
    return details(`${headings[id]}: ${count} drawing${count === 1 ? '' : 's'}`, drawings(report, id, all));
  });
  return html`<h3>Never two holders</h3>${overview(report, all)}${closed}`;
}

function drawings(report: Report, id: FaultId, all: readonly Fault[]): Markup {
  const shown = all.filter((fault) => fault.id === id);
  const [title, ...others] = new Set(shown.map((fault) => fault.title));
  const common = others.length === 0;
  return html`<h4>${headings[id]}</h4>${common && html`<p>${title}.</p>`}${charts(
    shown.map((fault) => one(fault, nameOf(report, fault) + (common ? '' : `: ${fault.title}`))),
  )}`;
}

function one(fault: Fault, title: string): Markup {
  return html`<div${ofBackend(fault.backend)}>${timeline(fault, { title })}
<p class="note">${verdict(fault)} ${times(fault)}</p>
${fault.expected !== '' && html`<p class="note"><span class="warn">Possible here:</span> ${fault.expected}</p>`}
${details('Moments', moments(fault))}</div>`;
}

function verdict(fault: Fault): Markup {
  const { violations, overlapMs, staleWrites, rounds } = fault;
  const of = rounds === 1 ? 'one round' : `${rounds} rounds`;
  if (verdictOf(fault) !== 'seen') return html`<b class="good">Never two holders</b> in ${of}.`;
  return html`<b class="bad">${count(violations.length, 'violation')}</b> in ${of}, overlap ${figure(overlapMs)} ms, ${count(staleWrites.accepted, 'stale write')} accepted.`;
}

function times({ nextHolderMs, holderToldMs, holderKept, serviceBackMs, staleWrites, gapMs, ttlMs }: Fault): string {
  return [
    `TTL ${figure(ttlMs / 1000)} s.`,
    nextHolderMs.length > 0 && `Next holder after ${range(nextHolderMs)}.`,
    holderToldMs.length > 0 && `Old holder learned of the loss after ${range(holderToldMs)}.`,
    holderKept > 0 && `The holder kept its lock in ${count(holderKept, 'round')}.`,
    serviceBackMs.length > 0 && `Locks could be acquired again after ${range(serviceBackMs)}.`,
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

const order = Object.keys(headings);
const ordered = (all: readonly Fault[]) => [...all].sort((a, b) => order.indexOf(a.id) - order.indexOf(b.id));

/** A line for each fault and set-up. */
function overview(report: Report, all: readonly Fault[]): Markup {
  const unlessNone = (value: number) => (value === 0 ? '–' : value);
  return table(
    ordered(all),
    [
      { head: 'fault', cell: ({ id }) => headings[id] },
      { head: 'backend', words: true, cell: (fault) => nameOf(report, fault) },
      { head: 'two holders', words: true, cell: (fault) => verdictWords[verdictOf(fault)] },
      { head: 'overlap ms', cell: ({ overlapMs }) => (overlapMs === 0 ? '–' : figure(overlapMs)) },
      { head: 'next holder', cell: ({ nextHolderMs }) => middleMs(nextHolderMs) },
      { head: 'loss noticed', cell: ({ holderToldMs }) => middleMs(holderToldMs) },
      { head: 'service back', cell: ({ serviceBackMs }) => middleMs(serviceBackMs) },
      { head: 'stale writes refused', cell: ({ staleWrites }) => unlessNone(staleWrites.refused) },
      { head: 'stale writes accepted', cell: ({ staleWrites }) => unlessNone(staleWrites.accepted) },
    ],
    ({ backend }) => backend,
  );
}

type Verdict = 'seen' | 'possible' | 'never';

function verdictOf({ violations, overlapMs, staleWrites, expected }: Fault): Verdict {
  if (violations.length > 0 || overlapMs > 0 || staleWrites.accepted > 0) return 'seen';
  return expected === '' ? 'never' : 'possible';
}

const verdictWords: Readonly<Record<Verdict, Markup>> = {
  seen: html`<b class="bad">yes</b>`,
  possible: html`<span class="warn">not seen, but possible</span>`,
  never: html`<span class="good">never</span>`,
};
