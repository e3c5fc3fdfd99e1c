import { type SubjectProcess, startSubject } from '../subject-processes.ts';
import type { SubjectSpec } from '../subjects/subject.ts';

/** Processes that are started when they are first needed, and kept: a part finds those of the part before warm. */
export interface SubjectPool extends AsyncDisposable {
  /** The process number `index` for a subject; `execPath` is which Node runs it, default this one. */
  get(spec: SubjectSpec, index?: number, execPath?: string): Promise<SubjectProcess>;
  /** Ends one that is of no use any more; the next `get` starts another one. */
  drop(spec: SubjectSpec, index?: number): Promise<void>;
}

export function subjectPool(): SubjectPool {
  const started = new Map<string, Promise<SubjectProcess>>();
  const nameOf = (spec: SubjectSpec, index: number, execPath = ''): string => JSON.stringify([spec, index, execPath]);

  async function drop(name: string): Promise<void> {
    const starting = started.get(name);
    started.delete(name);
    // One that did not start is gone already.
    const subject = await starting?.catch(() => undefined);
    await subject?.[Symbol.asyncDispose]();
  }

  return {
    get(spec, index = 0, execPath) {
      const name = nameOf(spec, index, execPath);
      const known = started.get(name) ?? startSubject(spec, execPath);
      started.set(name, known);
      return known;
    },
    async drop(spec, index = 0) {
      const name = nameOf(spec, index);
      const subject = await started.get(name)?.catch(() => undefined);
      // It may hang in what it was asked.
      if (subject) process.kill(subject.pid, 'SIGKILL');
      await drop(name);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...started.keys()].map(drop));
    },
  };
}
