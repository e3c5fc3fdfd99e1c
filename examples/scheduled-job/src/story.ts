import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Stage, startWorker, type Worker } from '@holdfast/example-kit';
import { type Ledger, openLedger } from './ledger.ts';
import { type ProxiedUrl, throughProxies } from './proxied.ts';

export const ticks = 12;
const names = ['Ann', 'Bob', 'Cleo'];
const crashAt = 4;
const partitionAt = 8;
const intervalMs = 300;

/** What happened to the processes, for those who look on. */
export type Tell = (text: string) => void;

/** A process, and its way to the locks. */
interface Member extends ProxiedUrl {
  worker: Worker;
}

/**
 * Three processes wake at every tick. The one that works on tick 4 is killed in the middle of it; the one that works on tick 8 is
 * cut off from the locks, and writes all the same when its lease is over and another has done its work.
 */
export async function play(stage: Stage, tell: Tell): Promise<Ledger> {
  const ledger = openLedger();
  const key = `job:${randomUUID().slice(0, 8)}`;
  const members = new Map<string, Member>();
  let now = 0;
  const wake: (() => void)[] = [];
  const seen = new Map<string, number>();
  const isDone = () => ledger.done.length >= ticks;
  let crashed = false;
  let cutOff = false;

  const handlers = {
    /** The next tick that this process has not seen: it answers when that comes. */
    async tick(name: string): Promise<number | undefined> {
      while (!isDone() && now < ticks && (seen.get(name) ?? 0) >= now) await new Promise<void>((on) => wake.push(on));
      seen.set(name, now);
      // The timetable is over, but not all is done: who is left looks again.
      if (!isDone() && now === ticks) await sleep(50);
      return isDone() ? undefined : now;
    },
    due: (token: bigint) => ledger.due(token, now),
    async work(name: string, tick: number): Promise<void> {
      if (tick === crashAt && !crashed) {
        crashed = true;
        tell(`tick ${tick}: ${name} is killed while it works`);
        members.get(name)!.worker.process.kill('SIGKILL');
      } else if (tick === partitionAt && !cutOff) {
        cutOff = true;
        tell(`tick ${tick}: ${name} is cut off from the locks while it works`);
        members.get(name)!.cutOff();
        while (!ledger.done.includes(tick)) await sleep(20);
        tell(`tick ${tick}: done by another; now ${name} writes as well`);
      } else await sleep(20);
    },
    write: (tick: number, token: bigint) => ledger.write(tick, token),
  };

  for (const name of names) {
    const way = await throughProxies(stage.url);
    stage.atEnd(() => way.close());
    const module = new URL('./scheduler.ts', import.meta.url);
    members.set(name, { ...way, worker: startWorker(stage, module, [way.url, key, name], handlers) });
  }
  while (now < ticks) {
    await sleep(intervalMs);
    now++;
    for (const on of wake.splice(0)) on();
  }
  while (!isDone() || ledger.refused.length === 0) {
    if (
      [...members.values()].every(
        ({ worker }) => worker.process.exitCode !== null || worker.process.signalCode !== null,
      )
    )
      break;
    await sleep(50);
  }
  return ledger;
}

/** Whether every tick was done, each once. */
export function isExactlyOnce({ done }: Ledger): boolean {
  return done.length === ticks && new Set(done).size === ticks;
}
