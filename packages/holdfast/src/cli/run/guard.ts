import { type ChildProcess, spawn } from 'node:child_process';
import { note } from '../output.ts';
import { type Held, remainingMs } from './held.ts';
import type { RunMark } from './started-processes.ts';

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

/** A service manager such as systemd sends its signal to the guards, too. */
const deaf = "trap '' HUP INT QUIT TERM\n";

/** Waits at a pipe. A line dismisses it; the end of the pipe means that this process is gone. */
const onDeath = `${deaf}IFS= read -r line && exit 0\n${stop}`;

/**
 * Waits until the lease ends, $4 seconds from now. It is replaced after each renewal, so it gets that far only if this process, $5, is
 * suspended. If this process is gone instead, the other guard does the work. In case that guard is gone as well, this one looks again
 * after the grace period, and then relies on the ID alone, because the process IDs may have been reused.
 *
 * One `sleep` is the clock. The steps beside it only check that this process exists: each of them starts a process, so their sum would
 * be seconds late after an hour.
 */
const onSuspension = `${deaf}left=$4
sleep "$left" &
clock=$!
while [ "$left" -gt 2 ] && kill -s 0 "$clock" 2>/dev/null; do
  step=2
  [ "$left" -gt 30 ] || step=1
  sleep "$step"
  left=$((left - step))
  kill -s 0 -- "$5" 2>/dev/null || break
done
if kill -s 0 -- "$5" 2>/dev/null; then
  wait "$clock" || exit 0
fi
if ! kill -s 0 -- "$5" 2>/dev/null; then
  kill -s KILL "$clock" 2>/dev/null
  sleep "$(($2 + 3))"
  set -- none "$2" "$3"
fi
${stop}`;

/** The pause before a guard that has ended is replaced: it doubles for each guard that lasted less than the longest pause. */
const pausesMs = { first: 200, longest: 5_000 };

type Role = 'waiting' | 'sleeping';

/**
 * Sets guards over a command. They stop it if this process cannot, because it was killed or is suspended (SIGSTOP, a debugger) past the
 * lease: nobody would renew the lock, and the command would continue beside the next holder. The result dismisses the guards.
 *
 * This process replaces a guard that has ended, but not one that is killed together with this process or while it is suspended. No
 * portable protection against that exists: only a process can act, and anyone who can kill these can kill any other.
 */
export function guard({ id, pid, ownGroup }: RunMark, graceMs: number, lock: Held): () => void {
  const target = [String(ownGroup ? -pid : pid), String(Math.ceil(graceMs / 1_000)), id];
  // Each in its own session: what ends this process, such as Ctrl-C or a closed terminal, must not end its guards.
  const start = (script: string, stdin: 'pipe' | 'ignore', ...more: string[]) =>
    spawn('/bin/sh', ['-c', script, 'holdfast-guard', ...target, ...more], {
      stdio: [stdin, 'ignore', 'ignore'],
      detached: true,
    });
  const leaseEnd = (): number => performance.now() + remainingMs(lock);
  let [isDismissed, isNoted] = [false, false];
  let guardedUntil = 0;
  const starts: Record<Role, () => ChildProcess> = {
    waiting: () => start(onDeath, 'pipe'),
    sleeping() {
      guardedUntil = leaseEnd();
      const seconds = Math.ceil(remainingMs(lock) / 1_000);
      return start(onSuspension, 'ignore', String(seconds), String(process.pid));
    },
  };
  const guards: { [role in Role]?: ChildProcess } = {};
  /** The number of guards in a row that ended early. */
  const ends: Record<Role, number> = { waiting: 0, sleeping: 0 };

  const again = (role: Role, stoodMs: number, problem = ''): void => {
    if (isDismissed) return;
    if (stoodMs > pausesMs.longest) ends[role] = 0;
    const pauseMs = Math.min(pausesMs.first * 2 ** ends[role], pausesMs.longest);
    ends[role] += 1;
    if (!isNoted && (problem !== '' || ends[role] > 3)) {
      isNoted = true;
      const reason = problem || 'what guards it ends at once; perhaps it is killed, or /bin/sh or sleep does not work';
      note(`holdfast: if this process is killed or suspended, nothing stops its command: ${reason}`);
    }
    // Whatever ended it, such as a kernel that is out of memory, may end this process next. Not at once, in case every guard is killed.
    setTimeout(() => {
      if (isDismissed || guards[role] !== undefined) return;
      if (role === 'waiting' || lock.state === 'held') set(role);
    }, pauseMs).unref();
  };
  const set = (role: Role): void => {
    const startedAt = performance.now();
    let shell: ChildProcess;
    try {
      shell = starts[role]();
    } catch (error) {
      // Node reports some reasons by an event, and throws others.
      delete guards[role];
      return again(role, 0, (error as Error).message);
    }
    guards[role] = shell;
    const ended = (problem?: string): void => {
      if (guards[role] !== shell) return;
      // Its process ID may be reused once nothing is left of its group.
      endGroup(shell.pid);
      delete guards[role];
      again(role, performance.now() - startedAt, problem);
    };
    shell.once('error', ({ message }) => ended(message));
    shell.once('exit', () => ended());
    shell.stdin?.on('error', () => {}); // the guard has ended: there is nothing to dismiss
    shell.unref();
  };
  set('waiting');
  set('sleeping');
  const renew = setInterval(
    () => {
      // Only after a renewal, because each guard is a process.
      const wasRenewed = leaseEnd() - guardedUntil > remainingMs(lock) / 10;
      if (lock.state !== 'held' || !wasRenewed) return;
      const before = guards.sleeping;
      set('sleeping');
      endGroup(before?.pid);
    },
    Math.min(Math.max(100, remainingMs(lock) / 15), 1_000),
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
