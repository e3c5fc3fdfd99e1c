import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ActorCalls, ActorPlan, ActorReply } from './actor-messages.ts';

const program = fileURLToPath(new URL('./actor-process.ts', import.meta.url));

/** A process that wants the lock, as the one who does things to it sees it. */
export interface Actor extends AsyncDisposable {
  /** Never settles when the process is gone or stopped. */
  ask<C extends keyof ActorCalls>(
    call: C,
    ...argument: ActorCalls[C] extends undefined ? [] : [ActorCalls[C]]
  ): Promise<unknown>;
  /** SIGSTOP. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

/** Starts a process and connects it. */
export async function startActor(plan: ActorPlan): Promise<Actor> {
  const child = fork(program, [JSON.stringify(plan)], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let complaints = '';
  child.stderr?.on('data', (text) => {
    complaints = (complaints + text).slice(-2_000);
  });
  const exited = once(child, 'exit');
  const waiting = new Map<number, (reply: ActorReply) => void>();
  let lastId = 0;
  child.on('message', (reply: ActorReply) => {
    waiting.get(reply.id)?.(reply);
    waiting.delete(reply.id);
  });
  // A message to one that was killed meanwhile.
  child.on('error', () => {});

  const ask: Actor['ask'] = (call, ...[argument]) =>
    new Promise((resolve, reject) => {
      lastId += 1;
      waiting.set(lastId, (reply) => {
        if ('error' in reply) reject(new Error(`${plan.label}: ${reply.error}`));
        else resolve(reply.result);
      });
      child.send({ id: lastId, call, argument }, () => {});
    });
  async function kill(): Promise<void> {
    child.kill('SIGKILL');
    await exited;
  }

  try {
    const tooEarly = exited.then(() => {
      throw new Error(`The ${plan.label} ended by itself. ${complaints}`);
    });
    tooEarly.catch(() => {});
    await Promise.race([ask('open'), tooEarly]);
  } catch (error) {
    await kill();
    throw error;
  }
  return {
    ask,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    kill,
    [Symbol.asyncDispose]: kill,
  };
}
