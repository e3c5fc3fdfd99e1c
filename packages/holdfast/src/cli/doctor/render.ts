import { shownDuration } from '../durations.ts';
import { lockTable } from '../lock-info.ts';
import { shown, styled, wrapped } from '../output.ts';
import type { CheckResult } from './checks.ts';
import type { CurrentHolds } from './current-holds.ts';
import type { Finding, ServerReport, Severity } from './diagnosis.ts';

const colours: Readonly<Record<Severity, 'red' | 'yellow' | 'cyan'>> = {
  critical: 'red',
  warning: 'yellow',
  note: 'cyan',
};

/** The result as lines for a person. */
export function resultLines(address: string, { servers, findings, lockMs, holds }: CheckResult): string[] {
  const lines = [styled('bold', address), ''];
  if (servers.length > 0) lines.push(...serverLines(servers), '');
  if (lockMs !== undefined) lines.push(`Acquiring and releasing a lock takes ${shownDuration(lockMs)}.`, '');
  if (holds !== undefined && holds.infos.length > 0) lines.push(...holdLines(holds), '');
  for (const finding of findings) lines.push(...findingLines(finding), '');
  lines.push(summary(findings, servers));
  return lines;
}

function serverLines(servers: readonly ServerReport[]): string[] {
  const rows = servers.map(({ address, role = '', version = '', roundTripMs, clockOffsetMs, clockErrorMs, problem }) =>
    problem === undefined
      ? [
          address,
          role,
          version,
          roundTripMs === undefined ? '' : shownDuration(roundTripMs),
          clock(clockOffsetMs, clockErrorMs),
        ]
      : [address, shown(problem)],
  );
  const head = ['server', 'role', 'version', 'round trip', 'clock'];
  // A server that failed has a sentence of any length in place of its figures.
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.filter((row) => column === 0 || row.length > 2).map((row) => row[column]!.length)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd();
  return [
    styled('dim', line(head)),
    ...rows.map((row) => (row.length > 2 ? line(row) : `${row[0]!.padEnd(widths[0]!)}  ${styled('red', row[1]!)}`)),
  ];
}

const mostShown = 5;

/** The oldest holds: a lock that is forgotten is among them. */
function holdLines({ infos, isCut }: CurrentHolds): string[] {
  const count = `${isCut ? 'More than ' : ''}${infos.length}`;
  const shownInfos = infos.slice(0, mostShown);
  const which = infos.length > mostShown ? '; the oldest are' : '';
  return [`Held now: ${count}${which}:`, ...lockTable(shownInfos).map((line) => `  ${line}`)];
}

function clock(offsetMs: number | undefined, errorMs: number = 0): string {
  if (offsetMs === undefined) return '';
  if (Math.abs(offsetMs) <= errorMs) return `agrees within ${shownDuration(errorMs)}`;
  return `${shownDuration(Math.abs(offsetMs))} ${offsetMs > 0 ? 'ahead' : 'behind'}`;
}

function findingLines({ severity, what, at = [], harm, remedy }: Finding): string[] {
  const indent = 9;
  const [first = '', ...more] = wrapped(shown(at.length === 0 ? what : `${at.join(', ')}: ${what}`), indent);
  const label = styled(colours[severity], severity.padEnd(indent));
  const rest = [...more, ...wrapped(shown(harm), indent), ...wrapped(shown(`Remedy: ${remedy}`), indent)];
  return [label + styled('bold', first), ...rest.map((line) => ' '.repeat(indent) + line)];
}

function summary(findings: readonly Finding[], servers: readonly ServerReport[]): string {
  if (servers.length > 0 && servers.every(({ problem }) => problem !== undefined)) {
    return styled('red', 'No server could be checked.');
  }
  const counts = (['critical', 'warning', 'note'] as const).flatMap((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length;
    return count === 0
      ? []
      : styled(colours[severity], `${count} ${severity}${count === 1 || severity === 'critical' ? '' : 's'}`);
  });
  return counts.length === 0 ? styled('green', 'Nothing puts locks at risk here.') : counts.join(', ');
}
