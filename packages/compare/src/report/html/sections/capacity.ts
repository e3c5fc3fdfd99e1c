import { assumptions } from '../../../capacity/advice.ts';
import { capacityModels } from '../../../capacity/model.ts';
import { type CapacityText, capacityText } from '../../../capacity/wording.ts';
import type { Report } from '../../schema.ts';
import { details, html, type Markup, table } from '../markup.ts';
import { section } from './gaps.ts';

export function capacity(report: Report): Markup {
  const intro = 'What held locks need, and the limits of the measured servers, estimated from the costs above.';
  const texts = capacityModels(report).map((model) => capacityText(report, model));
  const content = html`${texts.map(one)}
<h3>What this leaves out</h3><ul>${assumptions.map((text) => html`<li>${text}</li>`)}</ul>`;
  return section('capacity', 'Capacity', intro, texts.length > 0 ? content : undefined);
}

function one({ title, about, needs, stops, beyond }: CapacityText): Markup {
  return html`<h3>${title}</h3><p class="note">${about}</p>
<ul>${stops.map((stop) => html`<li>${stop}</li>`)}</ul>
<p>${beyond.replaceAll('`', '')}</p>
${details(
  'Needs by locks and processes',
  table(needs, [
    { head: 'locks', cell: ({ locks }) => locks },
    { head: 'processes', cell: ({ processes }) => processes },
    { head: 'requests/s', cell: ({ requestsPerSecond }) => requestsPerSecond },
    { head: 'server cores', cell: ({ serverCores }) => serverCores },
    { head: 'server memory', cell: ({ serverMemory }) => serverMemory },
    { head: 'connections', cell: ({ connections }) => connections },
    { head: 'sessions, leases', cell: ({ sessionsAndLeases }) => sessionsAndLeases },
    { head: 'cores per process', cell: ({ clientCores }) => clientCores },
    { head: 'memory per process', cell: ({ clientMemory }) => clientMemory },
    { head: 'one server', words: true, cell: ({ verdict }) => verdict },
  ]),
)}`;
}
