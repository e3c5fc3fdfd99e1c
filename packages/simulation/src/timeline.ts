import type { Note, Outcome } from './run/outcome.ts';
import { allSteps } from './schedule/all-steps.ts';
import type { Schedule } from './schedule/types.ts';

const mostLines = 120;

/** What happened, as a person reads it: one line for each thing that a process, a server or a fault did. */
export function renderTimeline(schedule: Schedule, { failures, notes }: Outcome, command: string): string {
  const [failure] = failures;
  const lines = [
    failure === undefined ? 'Nothing failed.' : `${failure.rule.toUpperCase()}: ${failure.message}`,
    '',
    `Backend ${schedule.backend} with ${describeOptions(schedule.options)}; network ${describeNetwork(schedule)}.`,
    `Processes: ${schedule.clients.length}, calls: ${allSteps(schedule.steps).length + (schedule.claims?.length ?? 0)}, faults: ${schedule.faults.length}.`,
    ...schedule.clients.map(
      (client, i) => `  process ${i + 1}: ${client.locks.map(describeOptions).join(' | ')}${describeClock(client)}`,
    ),
    '',
    '   time in ms  who          what',
    ...renderNotes(notes),
    '',
    `Replay: ${command}`,
  ];
  return lines.join('\n');
}

function renderNotes(notes: readonly Note[]): string[] {
  const shown = notes.slice(-mostLines);
  const left = notes.length - shown.length;
  return [
    ...(left > 0 ? [`               ... ${left} earlier lines`] : []),
    ...shown.map(({ at, who, what }) => `${at.toFixed(2).padStart(13)}  ${who.padEnd(11)}  ${what.split('\n')[0]}`),
  ];
}

function describeOptions(options: object): string {
  const words = Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${typeof value === 'object' ? Object.values(value as object).join('/') : value}`);
  return words.length === 0 ? 'no options' : words.join(', ');
}

const describeNetwork = ({ network: { leastMs, mostMs, slowRate, slowMs } }: Schedule): string =>
  `${leastMs.toFixed(1)} to ${mostMs.toFixed(1)} ms each way${slowRate > 0 ? `, and now and then up to ${Math.round(slowMs)} ms` : ''}`;

const describeClock = ({ rate, wallOffsetMs }: Schedule['clients'][number]): string =>
  `${rate === 1 ? '' : `; its clock runs at ${rate.toFixed(5)}`}${wallOffsetMs === 0 ? '' : `; its wall clock is ${wallOffsetMs} ms off`}`;
