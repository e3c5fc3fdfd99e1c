import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Call, Reply } from './call.ts';
import type { Stage } from './run-example.ts';

/** Another process of an example. */
export interface Worker {
  readonly process: ChildProcess;
  /** Resolves when it has ended, however it ended. */
  readonly ended: Promise<unknown>;
}

/** Starts a module as another process; its `call(name, …)` is answered by the handler of that name. */
export function startWorker(
  stage: Pick<Stage, 'atEnd'>,
  module: URL,
  args: readonly string[],
  handlers: Readonly<Record<string, (...args: never[]) => unknown>>,
): Worker {
  const child = fork(fileURLToPath(module), args, {
    execArgv: ['--import', import.meta.resolve('tsx')],
    serialization: 'advanced',
  });
  child.on('message', async ({ id, name, args }: Call) => {
    const handler = handlers[name] as ((...args: unknown[]) => unknown) | undefined;
    const value = await handler?.(...args);
    if (child.connected) child.send({ id, value } satisfies Reply, () => {});
  });
  child.on('error', () => {}); // its end tells
  const ended = child.exitCode === null ? once(child, 'exit') : Promise.resolve();
  stage.atEnd(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  });
  return { process: child, ended };
}
