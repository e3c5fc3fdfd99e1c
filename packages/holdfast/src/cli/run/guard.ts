import { spawn } from 'node:child_process';
import { note } from '../output.ts';

/**
 * Stops the command if we are killed and cannot do it ourselves: without us nobody renews the lock, and the command would go on
 * beside the next holder. A shell waits at a pipe; a line from us sends it home, the end of the pipe means that we are gone.
 *
 * $1 is the target of `kill`, $2 the grace in seconds.
 */
const script = `
IFS= read -r line && exit 0
kill -s TERM -- "$1" 2>/dev/null || exit 0
waited=0
while kill -s 0 -- "$1" 2>/dev/null && [ "$waited" -lt "$2" ]; do
  sleep 1
  waited=$((waited + 1))
done
kill -s KILL -- "$1" 2>/dev/null
`;

/** Sets a guard over a command; the result dismisses it. */
export function guard(target: number, graceMs: number): () => void {
  const args = ['-c', script, 'holdfast-guard', String(target), String(Math.ceil(graceMs / 1_000))];
  // In a session of its own: what ends us, such as Ctrl-C or a closed terminal, must not end it.
  const shell = spawn('/bin/sh', args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  shell.once('error', ({ message }) =>
    note(`holdfast: if this process is killed, nobody stops its command: ${message}`),
  );
  shell.stdin.on('error', () => {}); // somebody ended the guard: nothing to dismiss
  shell.unref();
  return () => shell.stdin.end('ended\n');
}
