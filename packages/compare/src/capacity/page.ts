import { dateOf } from '../report/date.ts';
import type { Report } from '../report/schema.ts';
import { assumptions } from './advice.ts';
import { capacityModels } from './model.ts';
import { type CapacityText, capacityText, type NeedText, type StopText } from './wording.ts';

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
  ['the measured servers', 'verdict'],
];

/** `docs/capacity.md`: the whole page, from the figures of a report. */
export function capacityPage(report: Report): string {
  const { machine, mode } = report;
  const texts = capacityModels(report).map((model) => capacityText(report, model));
  return `# Capacity

What 1,000, 100,000 and 1,000,000 held locks need in 10, 1,000 and 10,000 client processes, where each backend reaches its limit, and how to go beyond it.

These figures are not measured. They are estimated from [one ${mode} run](comparison/report.html) with fewer locks in one
process: ${dateOf(report)}, ${machine.cpu}, ${machine.memory}, ${machine.system}, Node ${machine.node}. Expect the right order of magnitude, not more. \`pnpm compare\` measures on your
machine, and its page has the same tables with your figures; \`pnpm --filter @holdfast/compare sample\` writes this page from them.

${assumptions.map((text) => `- ${text}`).join('\n')}

${texts.length === 0 ? 'Held locks were not measured in that run.\n' : texts.map(chapter).join('\n')}`;
}

function chapter({ title, about, needs, stops, beyond }: CapacityText): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return `## ${title}

${about}

**Limits**

${stops.map((stop) => `- ${stopLine(stop)}`).join('\n')}

**Beyond the limits.** ${beyond}

${row(columns.map(([head]) => head))}
${row(columns.map((_, i) => (i < columns.length - 1 ? '--:' : '---')))}
${needs.map((need) => row(columns.map(([, pick]) => need[pick]))).join('\n')}
`;
}

function stopLine({ processes, locks, limit, mark }: StopText): string {
  const who = processes === 1 ? 'One process' : `${processes.toLocaleString('en-US')} processes`;
  if (limit === undefined) return `${who}: no known limit.`;
  return `${who}: ${locks === 'none' ? locks : `about ${locks} locks${mark}`}. The limit is ${limit}.`;
}
