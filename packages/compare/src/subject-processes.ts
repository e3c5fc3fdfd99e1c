import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Calls, Reply } from './messages.ts';
import type { SubjectSpec } from './subjects/subject.ts';

const program = fileURLToPath(new URL('./subject-process.ts', import.meta.url));
// No single call is meant to take this long.
const patienceMs = 180_000;

/** A subject in a process of its own, so that it has its own event loop, heap and compiled code. */
export interface SubjectProcess extends AsyncDisposable {
  readonly pid: number;
  ask<C extends keyof Calls>(call: C, argument: Parameters<Calls[C]>[0]): Promise<ReturnType<Calls[C]>>;
}

/** Starts a process and makes the subject in it. `execPath` is which Node; default this one. */
export async function startSubject(spec: SubjectSpec, execPath: string = process.execPath): Promise<SubjectProcess> {
  const child = fork(program, {
    execPath,
    execArgv: ['--import', 'tsx'],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let complaints = '';
  child.stderr?.on('data', (text) => {
    complaints = (complaints + text).slice(-2_000);
  });
  const waiting = new Map<number, (reply: Reply) => void>();
  let lastId = 0;
  let ended: string | undefined;
  child.on('message', (reply: Reply) => waiting.get(reply.id)?.(reply));
  const exited = new Promise<void>((resolve) => {
    child.on('exit', (code, signal) => {
      ended = `The process of ${spec.kind} ended (${signal ?? code}). ${complaints}`;
      for (const [id, settle] of waiting) settle({ id, error: ended });
      resolve();
    });
  });

  const ask: SubjectProcess['ask'] = (call, argument) =>
    new Promise((resolve, reject) => {
      if (ended !== undefined) {
        reject(new Error(ended));
        return;
      }
      lastId += 1;
      const id = lastId;
      const timer = setTimeout(
        () => waiting.get(id)?.({ id, error: `no answer to ${call} in ${patienceMs / 1_000} s` }),
        patienceMs,
      );
      waiting.set(id, (reply) => {
        clearTimeout(timer);
        waiting.delete(id);
        if ('error' in reply) reject(new Error(`${spec.kind}: ${reply.error}`));
        else resolve(reply.result as never);
      });
      child.send({ id, call, argument });
    });

  async function dispose(): Promise<void> {
    if (ended === undefined) {
      await Promise.race([ask('close', undefined as never).catch(() => {}), exited]);
      child.kill('SIGKILL');
    }
    await exited;
  }

  try {
    await ask('make', spec);
  } catch (error) {
    child.kill('SIGKILL');
    await exited;
    throw error;
  }
  return { pid: child.pid ?? 0, ask, [Symbol.asyncDispose]: dispose };
}

/** Starts one process for each name; when one fails to start, none is left. */
export async function startSubjects(
  specs: Readonly<Record<string, SubjectSpec>>,
): Promise<Map<string, SubjectProcess> & AsyncDisposable> {
  const started = new Map<string, SubjectProcess>();
  const disposeAll = async (): Promise<void> => {
    await Promise.all([...started.values()].map((one) => one[Symbol.asyncDispose]()));
  };
  try {
    for (const [name, spec] of Object.entries(specs)) started.set(name, await startSubject(spec));
  } catch (error) {
    await disposeAll();
    throw error;
  }
  return Object.assign(started, { [Symbol.asyncDispose]: disposeAll });
}
