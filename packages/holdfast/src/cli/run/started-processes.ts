import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** How to recognise the processes of one `holdfast run`. */
export interface RunMark {
  /** In the environment of the command, which everything that it starts inherits. */
  readonly id: string;
  /** The command itself. */
  readonly pid: number;
  /** Whether the command leads a process group of its own. */
  readonly ownGroup: boolean;
}

/** The environment variable with the IDs of all enclosing runs, since a command may call `holdfast run` again. */
export const runVariable = 'HOLDFAST_RUN_ID';

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly isMarked: boolean;
}

/**
 * The command and everything that it started, directly or not, as far as it still runs: its process group, its descendants, and
 * on Linux every process that inherited its environment, which includes those that left the group or whose parent has ended.
 */
export function startedProcesses({ id, pid, ownGroup }: RunMark): number[] {
  const all = processes(id).filter((each) => each.pid !== process.pid);
  const found = new Set(
    all.filter((each) => each.isMarked || each.pid === pid || (ownGroup && each.group === pid)).map((each) => each.pid),
  );
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const each of all) if (found.has(each.parent)) found.add(each.pid);
  }
  return [...found];
}

function processes(id: string): Process[] {
  try {
    return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? (processOf(name, id) ?? []) : []));
  } catch {
    return listedByPs();
  }
}

/** `undefined` if it has ended. */
function processOf(pid: string, id: string): Process | undefined {
  try {
    // The name in parentheses may contain anything, even parentheses.
    const [state, parent, group] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    if (state === 'Z' || state === 'X') return undefined;
    return {
      pid: Number(pid),
      parent: Number(parent),
      group: Number(group),
      isMarked: environmentOf(pid).includes(id),
    };
  } catch {
    return undefined;
  }
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return ''; // of another user
  }
}

/** For systems without /proc, such as macOS. */
function listedByPs(): Process[] {
  const text = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,pgid=,state='], { encoding: 'utf8' });
  return text.split('\n').flatMap((line) => {
    const [pid, parent, group, state = 'Z'] = line.trim().split(/\s+/);
    if (state.startsWith('Z')) return [];
    return [{ pid: Number(pid), parent: Number(parent), group: Number(group), isMarked: false }];
  });
}
