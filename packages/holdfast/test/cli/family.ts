import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** A command that tells its process id, and that of something that it starts, and goes on for ever. */
export const family = `sleep 600 & echo "pids $$ $!"; wait; while :; do sleep 1; done`;

/** Grandchildren that ignore SIGTERM, one in a session of its own and one whose parent has ended. */
export const farFamily = `
setsid sh -c 'trap "" TERM; echo "one $$"; while :; do sleep 0.1; done' &
(setsid sh -c 'trap "" TERM; echo "two $$"; while :; do sleep 0.1; done' &)
sleep 0.5; echo "three $$"; wait`;
export const farPids = (stdout: string): number[] =>
  [...stdout.matchAll(/(?:one|two|three) (\d+)/g)].map(([, pid]) => Number(pid));

export const pidsIn = (stdout: string): number[] => /pids (\d+) (\d+)/.exec(stdout)!.slice(1).map(Number);

/** One guard waits for the death of `holdfast`, one for the end of the lease. What one of them forks looks like it until it is something else. */
export function guardsOf(pid: number): number[] {
  if (!existsSync('/proc')) return [];
  return readdirSync('/proc')
    .filter((name) => textOf(name, 'cmdline').includes(`holdfast-guard\0-${pid}\0`))
    .map(Number)
    .filter((each) => groupOf(each) === each);
}

export const groupOf = (pid: number): number =>
  Number(
    textOf(String(pid), 'stat')
      .replace(/^.*\) /s, '')
      .split(' ')[2],
  );

function textOf(pid: string, file: 'cmdline' | 'stat'): string {
  try {
    return /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/${file}`, 'utf8') : '';
  } catch {
    return ''; // it has ended
  }
}

/** The `sleep` of the guard that waits for the end of the lease. */
export function clockOf(guards: readonly number[]): number | undefined {
  return readdirSync('/proc')
    .filter((name) => /^sleep\0\d{3}\0$/.test(textOf(name, 'cmdline')))
    .map(Number)
    .find((pid) => guards.includes(groupOf(pid)));
}
