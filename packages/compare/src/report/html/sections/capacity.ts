import { assumptions } from '../../../capacity/advice.ts';
import { capacityModels } from '../../../capacity/model.ts';
import { type CapacityText, capacityText, type StopText } from '../../../capacity/wording.ts';
import type { BackendId, Report } from '../../schema.ts';
import { details, html, type Markup, ofBackend, table } from '../markup.ts';
import { section } from './gaps.ts';

export function capacity(report: Report): Markup {
  const intro =
    'How many locks all processes together can hold until something runs out, estimated from the costs above. An asterisk: more than the run held.';
  const texts = capacityModels(report).map((model) => ({ ...capacityText(report, model), id: model.backend.id }));
  const content = html`${limits(texts)}
${details('Beyond the limits', html`<ul class="wide">${texts.map(({ title, beyond }) => html`<li><b>${title}.</b> ${beyond.replaceAll('`', '')}</li>`)}</ul>`)}
${details('Needs by locks and processes', html`${texts.map(needsOf)}`)}
${details('What this leaves out', html`<ul class="wide">${assumptions.map((text) => html`<li>${text.replaceAll('`', '')}</li>`)}</ul>`)}`;
  return section('capacity', 'Capacity', intro, texts.length > 0 ? content : undefined);
}

interface Capacity extends CapacityText {
  readonly id: BackendId;
}

/** A row for each backend, the one that holds most first. */
function limits(texts: readonly Capacity[]): Markup {
  const most = ({ stops }: Capacity) => stops[0]?.most ?? 0;
  const longest = texts.map(({ stops }) => stops).sort((a, b) => b.length - a.length)[0] ?? [];
  return table(
    [...texts].sort((a, b) => most(b) - most(a)),
    [
      { head: 'backend', cell: ({ title }) => title },
      ...longest.map(({ processes }, i) => ({
        head: counted(processes),
        words: true,
        cell: ({ stops }: Capacity) => limitCell(stops[i], processes),
      })),
    ],
    ({ id }) => id,
  );
}

/** A backend within one process has a single figure, which says so in the first column. */
function limitCell(stop: StopText | undefined, processes: number): Markup | string {
  if (stop === undefined) return '–';
  const { locks, mark, limit } = stop;
  const where = stop.processes === processes ? '' : `, in ${counted(stop.processes)}`;
  if (limit === undefined) return `no known limit${where}`;
  return html`${locks}${mark}${where}<br><span class="note">${limit}</span>`;
}

const counted = (processes: number) =>
  processes === 1 ? '1 process' : `${processes.toLocaleString('en-US')} processes`;

function needsOf({ id, title, about, needs }: Capacity): Markup {
  return html`<div${ofBackend(id)}><h4>${title}</h4><p class="note">${about}</p>
${table(needs, [
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
])}</div>`;
}
