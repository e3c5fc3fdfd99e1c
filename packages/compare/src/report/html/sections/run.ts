import { figure } from '../../../format.ts';
import type { Report } from '../../schema.ts';
import { html, type Markup, table } from '../markup.ts';
import { section } from './gaps.ts';

export function features({ features: all, backends }: Report): Markup {
  const intro = 'What each backend guarantees through Holdfast.';
  const content = table(all, [
    { head: 'feature', cell: ({ name, meaning }) => html`${name}<br><span class="note">${meaning}</span>` },
    ...backends.map(({ id, title }) => ({
      head: title,
      backend: id,
      words: true,
      cell: ({ values }: Report['features'][number]) => values[id] ?? '–',
    })),
  ]);
  return section('features', 'What each backend guarantees', intro, all.length > 0 ? content : undefined);
}

export function run(report: Report): Markup {
  const { machine, settings, backends, startedAt, tookMs } = report;
  const lines: [string, string][] = [
    ['Started', startedAt],
    ['Took', `${figure(tookMs / 60_000)} minutes`],
    ['Processor', machine.cpu],
    ['Memory', machine.memory],
    ['System', machine.system],
    ['Node', machine.node],
    ['Load at the start', figure(machine.load)],
    [
      'Clients',
      Object.entries(machine.clients)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    ],
    ...settings.map(({ name, value }): [string, string] => [name, value]),
  ];
  const content = html`<dl>${lines.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
${table(
  backends,
  [
    { head: 'backend', cell: ({ title }) => title },
    { head: 'client', words: true, cell: ({ client }) => client },
    { head: 'server', words: true, cell: ({ server }) => server },
    { head: 'servers', cell: ({ servers }) => servers },
  ],
  ({ id }) => id,
)}`;
  const intro =
    'The servers and the clients ran on one machine. A network between them would add its round trip to every figure.';
  return section('run', 'Machine, versions, settings', intro, content);
}
