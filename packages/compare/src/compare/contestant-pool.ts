import { type ContestantProcess, startContestant } from '../contestant-processes.ts';
import type { ContestantSpec } from '../contestants/contestant.ts';

/** Processes that are started when they are first needed, and kept: a part finds those of the part before warm. */
export interface ContestantPool extends AsyncDisposable {
  /** The process number `index` for a contestant; `execPath` is which Node runs it, default this one. */
  get(spec: ContestantSpec, index?: number, execPath?: string): Promise<ContestantProcess>;
  /** Ends one that is of no use any more; the next `get` starts another one. */
  drop(spec: ContestantSpec, index?: number): Promise<void>;
}

export function contestantPool(): ContestantPool {
  const started = new Map<string, Promise<ContestantProcess>>();
  const nameOf = (spec: ContestantSpec, index: number, execPath = ''): string =>
    JSON.stringify([spec, index, execPath]);

  async function drop(name: string): Promise<void> {
    const starting = started.get(name);
    started.delete(name);
    // One that did not start is gone already.
    const contestant = await starting?.catch(() => undefined);
    await contestant?.[Symbol.asyncDispose]();
  }

  return {
    get(spec, index = 0, execPath) {
      const name = nameOf(spec, index, execPath);
      const known = started.get(name) ?? startContestant(spec, execPath);
      started.set(name, known);
      return known;
    },
    async drop(spec, index = 0) {
      const name = nameOf(spec, index);
      const contestant = await started.get(name)?.catch(() => undefined);
      // It may hang in what it was asked.
      if (contestant) process.kill(contestant.pid, 'SIGKILL');
      await drop(name);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...started.keys()].map(drop));
    },
  };
}
