import { type ChildProcess, spawn } from 'node:child_process';
import { note } from '../output.ts';
import { type Held, remainingMs } from './held.ts';
import type { RunMark } from './started-processes.ts';

/** Node takes a longer one for 1 ms. */
const longestTimerMs = 2 ** 30;

/**
 * Stops the command, as `stopAll` does.
 *
 * $1 is the target of `kill` (a process group or the command), $2 the grace in seconds, $3 the ID in the environment of whatever
 * the command started, which Linux shows in /proc.
 */
const stop = `
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

/** What stops a whole service, such as systemd, sends its signal to the guards too. */
const deaf = "trap '' HUP INT QUIT TERM\n";

/** Waits at a pipe. A line dismisses it; the end of the pipe means that this process is gone. */
const onDeath = `${deaf}IFS= read -r line && exit 0\n${stop}`;

/**
 * Waits until the lease is over by $4 seconds from now. It is replaced at each renewal, so it gets there only if this process, $5,
 * is suspended. If that is gone instead, the other guard does the work, and this one ends soon: nobody else could end it in time, and the
 * process IDs may have been given away.
 *
 * One `sleep` is the clock. The steps beside it look whether this process is there: each starts a process, so they would be seconds late
 * after an hour.
 */
const onSuspension = `${deaf}left=$4
sleep "$left" &
clock=$!
while [ "$left" -gt 2 ] && kill -s 0 "$clock" 2>/dev/null; do
  step=2
  [ "$left" -gt 30 ] || step=1
  sleep "$step"
  left=$((left - step))
  kill -s 0 -- "$5" 2>/dev/null && continue
  kill -s KILL "$clock"
  exit 0
done
wait "$clock"
[ $? -lt 128 ] || exit 0
kill -s 0 -- "$5" 2>/dev/null || exit 0
${stop}`;

/**
 * Sets guards over a command, which stop it when this process cannot: it was killed, or it is suspended (SIGSTOP, a debugger) past
 * the lease. Nobody would renew the lock, and the command would continue beside the next holder. The result dismisses them.
 *
 * A guard that is killed is replaced. SIGKILL of this process and its guards in the same instant leaves the command: no portable means is
 * left then, since only a process can act, and whoever kills these two can kill any third.
 */
export function guard({ id, pid, ownGroup }: RunMark, graceMs: number, lock: Held): () => void {
  const target = [String(ownGroup ? -pid : pid), String(Math.ceil(graceMs / 1_000)), id];
  // Each in a session of its own: what ends this process, such as Ctrl-C or a closed terminal, must not end its guards.
  const start = (script: string, stdin: 'pipe' | 'ignore', ...more: string[]) => {
    const args = ['-c', script, 'holdfast-guard', ...target, ...more];
    const shell = spawn('/bin/sh', args, { stdio: [stdin, 'ignore', 'ignore'], detached: true });
    shell.once('error', ({ message }) =>
      note(`holdfast: if this process is killed or suspended, nothing stops its command: ${message}`),
    );
    shell.stdin?.on('error', () => {}); // the guard was ended: there is nothing to dismiss
    shell.unref();
    return shell;
  };
  const scripts = {
    waiting: () => start(onDeath, 'pipe'),
    sleeping: () => start(onSuspension, 'ignore', String(Math.ceil(remainingMs(lock) / 1_000)), String(process.pid)),
  };

  let isDismissed = false;
  const guards: { [role in keyof typeof scripts]?: ChildProcess } = {};
  const set = (role: keyof typeof scripts): void => {
    const shell = scripts[role]();
    guards[role] = shell;
    shell.once('exit', () => {
      if (guards[role] !== shell) return;
      // Its process ID may be given away, once nothing is left of its group.
      endGroup(shell.pid);
      delete guards[role];
      // Whatever ended it, such as a kernel that is out of memory, may end this process next. Not at once, in case that each is killed.
      setTimeout(() => {
        if (isDismissed || guards[role] !== undefined) return;
        if (role === 'waiting' || lock.state === 'held') set(role);
      }, 200).unref();
    });
  };
  set('waiting');
  set('sleeping');
  const renew = setInterval(
    () => {
      if (lock.state !== 'held') return;
      const before = guards.sleeping;
      set('sleeping');
      endGroup(before?.pid);
    },
    Math.min(Math.max(500, remainingMs(lock) / 3), longestTimerMs),
  );
  return () => {
    isDismissed = true;
    clearInterval(renew);
    endGroup(guards.sleeping?.pid);
    guards.waiting?.stdin?.end('ended\n');
  };
}

function endGroup(leader: number | undefined): void {
  try {
    if (leader !== undefined) process.kill(-leader, 'SIGKILL');
  } catch (error) {
    // It has ended by itself.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
