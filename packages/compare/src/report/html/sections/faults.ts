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

/** All others have the same result: a row for each fault says enough, and every set-up has its row and its drawing below. */
function safe(report: Report, all: readonly Fault[]): Markup {
  const ids = [...new Set(ordered(all).map(({ id }) => id))];
  const ofFault = (id: FaultId) => all.filter((fault) => fault.id === id);
  const closed = ids.map((id) =>
    details(
      `${headings[id]}: ${count(ofFault(id).length, 'set-up')}`,
      html`${overview(report, ofFault(id))}${drawings(report, id, ofFault(id))}`,
    ),
  );
  return html`<h3>Never two holders</h3>${summary(ids, ofFault)}${closed}`;
}

/** From the best set-up to the worst one, for each fault. */
function summary(ids: readonly FaultId[], ofFault: (id: FaultId) => readonly Fault[]): Markup {
  const over = (id: FaultId, value: (fault: Fault) => readonly number[]) => {
    const values = ofFault(id).flatMap(value);
    return values.length === 0 ? '–' : range(values);
  };
  const refused = (id: FaultId) => ofFault(id).reduce((sum, { staleWrites }) => sum + staleWrites.refused, 0);
  return table(ids, [
    { head: 'fault', cell: (id) => headings[id] },
    { head: 'set-ups', cell: (id) => ofFault(id).length },
    { head: 'two holders', words: true, cell: () => verdictWords.never },
    { head: 'next holder', cell: (id) => over(id, ({ nextHolderMs }) => nextHolderMs) },
    { head: 'loss noticed', cell: (id) => over(id, ({ holderToldMs }) => holderToldMs) },
    { head: 'service back', cell: (id) => over(id, ({ serviceBackMs }) => serviceBackMs) },
    { head: 'stale writes refused', cell: (id) => refused(id) || '–' },
  ]);
}

function drawings(report: Report, id: FaultId, all: readonly Fault[]): Markup {
  const shown = all.filter((fault) => fault.id === id);
  const [title, ...others] = new Set(shown.map((fault) => fault.title));
  const common = others.length === 0;
  return html`<h4>${headings[id]}</h4>${common && title !== headings[id] && html`<p>${title}.</p>`}${reasons(report, shown)}${charts(
    shown.map((fault) => one(fault, nameOf(report, fault) + (common ? '' : `: ${fault.title}`))),
  )}`;
}

/** Why two holders are possible: each sentence once, with the set-ups that it is true of unless it is true of all. */
function reasons(report: Report, shown: readonly Fault[]): Markup {
  const sentences = shown.flatMap(({ expected }) => expected.split(/(?<=\.) /)).filter((text) => text !== '');
  const byWhom = new Map<string, string[]>();
  for (const sentence of new Set(sentences)) {
    const those = shown.filter(({ expected }) => expected.includes(sentence));
    const whom = those.length === shown.length ? '' : `: ${those.map((fault) => nameOf(report, fault)).join('; ')}`;
    byWhom.set(whom, [...(byWhom.get(whom) ?? []), sentence]);
  }
  const line = ([whom, texts]: [string, string[]]) =>
    html`<p class="note"><span class="warn">Possible here${whom}.</span> ${texts.join(' ')}</p>`;
  return html`${[...byWhom].map(line)}`;
}

function one(fault: Fault, title: string): Markup {
  return html`<div${ofBackend(fault.backend)}>${timeline(fault, { title })}
<p class="note">${verdict(fault)}</p>
${details('Moments', html`<p class="note">${times(fault)}</p>${moments(fault)}`)}</div>`;
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
