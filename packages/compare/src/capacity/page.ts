import { dateOf } from '../report/date.ts';
import type { Report } from '../report/schema.ts';
import { assumptions } from './advice.ts';
import { capacityModels } from './model.ts';
import { type CapacityText, capacityText, type NeedText } from './wording.ts';

const columns: readonly (readonly [head: string, pick: keyof NeedText])[] = [
  ['locks', 'locks'],
  ['processes', 'processes'],
  ['requests/s', 'requestsPerSecond'],
  ['server cores', 'serverCores'],
  ['server memory', 'serverMemory'],
  ['connections', 'connections'],
  ['sessions, leases', 'sessionsAndLeases'],
  ['cores of a process', 'clientCores'],
  ['memory of a process', 'clientMemory'],
  ['servers like the measured ones', 'verdict'],
];

/** `docs/capacity.md`: the whole page, from the figures of a report. */
export function capacityPage(report: Report): string {
  const { machine, mode } = report;
  const texts = capacityModels(report).map((model) => capacityText(report, model));
  return `# Capacity

What 1,000, 100,000 and 1,000,000 held locks need in 10, 1,000 and 10,000 client processes, where each backend stops, and how to go past it.

Nothing here was measured at that size. It is reckoned from the costs that [one ${mode} run](comparison/report.html) measured with fewer locks in one
process: ${dateOf(report)}, ${machine.cpu}, ${machine.memory}, ${machine.system}, Node ${machine.node}. \`pnpm compare\` measures on your machine, and its page has
the same tables with your figures; \`pnpm --filter @holdfast/compare sample\` writes this page from them. Orders of magnitude are what it is good for.

${assumptions.map((text) => `- ${text}`).join('\n')}

${texts.length === 0 ? 'Held locks were not measured in that run.\n' : texts.map(chapter).join('\n')}`;
}

function chapter({ title, about, needs, stops, beyond }: CapacityText): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return `## ${title}

${about}

**Where it stops**

${stops.map((stop) => `- ${stop}`).join('\n')}

**How to go past it.** ${beyond}

${row(columns.map(([head]) => head))}
${row(columns.map((_, i) => (i < columns.length - 1 ? '--:' : '---')))}
${needs.map((need) => row(columns.map(([, pick]) => need[pick]))).join('\n')}
`;
}
