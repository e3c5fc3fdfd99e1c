import { spawn } from 'node:child_process';
import { note } from '../output.ts';
import type { RunMark } from './started-processes.ts';

/**
 * Stops the command if this process is killed and cannot do it itself: nobody would renew the lock, and the command would
 * continue beside the next holder. A shell waits at a pipe. A line dismisses it; the end of the pipe means that this process is
 * gone.
 *
 * $1 is the target of `kill` (a process group or the command), $2 the grace in seconds, $3 the ID in the environment of whatever
 * the command started, which Linux shows in /proc.
 */
const script = `
IFS= read -r line && exit 0
marked() { grep -ls -- "$3" /proc/[0-9]*/environ 2>/dev/null | sed 's/[^0-9]//g'; }
signal() {
  kill -s "$4" -- "$1" 2>/dev/null
  for pid in $(marked "$@"); do kill -s "$4" -- "$pid" 2>/dev/null; done
}
running() { kill -s 0 -- "$1" 2>/dev/null || [ -n "$(marked "$@")" ]; }
running "$@" || exit 0
signal "$1" "$2" "$3" TERM
signal "$1" "$2" "$3" CONT
waited=0
while running "$@" && [ "$waited" -lt "$2" ]; do
  sleep 1
  waited=$((waited + 1))
done
for pass in 1 2 3; do
  running "$@" || exit 0
  signal "$1" "$2" "$3" KILL
done
`;

/** Sets a guard over a command. The result dismisses it. */
export function guard({ id, pid, ownGroup }: RunMark, graceMs: number): () => void {
  const target = String(ownGroup ? -pid : pid);
  const args = ['-c', script, 'holdfast-guard', target, String(Math.ceil(graceMs / 1_000)), id];
  // In a session of its own: what ends this process, such as Ctrl-C or a closed terminal, must not end the guard.
  const shell = spawn('/bin/sh', args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  shell.once('error', ({ message }) =>
    note(`holdfast: if this process is killed, nothing stops its command: ${message}`),
  );
  shell.stdin.on('error', () => {}); // the guard was ended: there is nothing to dismiss
  shell.unref();
  return () => shell.stdin.end('ended\n');
}
