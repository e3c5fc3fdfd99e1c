// A process that a stress run forks: it uses locks at random, records its history, and reports violations to its parent.
import { setTimeout as sleep } from 'node:timers/promises';
import { createLocks, type LockAdapter, type Locks } from '@holdfast/lock-core';
import type { ProxyTarget } from '../faults/types.ts';
import { createRecorder } from '../history/recorder.ts';
import { openChannel } from '../processes/channel.ts';
import { claim } from './claim.ts';
import type { WorkerPlan } from './messages.ts';
import { randomFrom } from './random.ts';
import { work } from './workload.ts';

type Open = (options: unknown, at?: readonly ProxyTarget[]) => LockAdapter | Promise<LockAdapter>;

const plan = JSON.parse(process.argv[2]!) as WorkerPlan;
// Before the channel is open: an order may wait in it already.
const { openAdapter } = (await import(plan.module)) as { openAdapter: Open };
const stopping = new AbortController();
let working: Promise<void> | undefined;
let holds = 0;

const { call } = openChannel(process, {
  async stop(): Promise<void> {
    stopping.abort(new Error('The run is over'));
    await working;
    // What was to be rejected because of the end is rejected by now.
    await sleep(50);
  },
  claim: (withinMs: number) => claim(async () => openAdapter(plan.options), plan, withinMs),
});
/** The parent may be gone. */
const tell = (name: string, value?: unknown): void => void call(name, value).catch(() => {});
const trouble = (what: string) => (error: unknown) => {
  const shown = error instanceof Error ? (error.stack ?? error.message) : String(error);
  tell('trouble', `${plan.label}: ${what}: ${shown}`);
};
process.on('unhandledRejection', trouble('rejected with nobody listening'));
process.on('uncaughtException', trouble('thrown with nobody catching it'));
// Ctrl-C reaches all processes of a terminal: the parent says when to stop.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());

working = workAll();
await working;

async function workAll(): Promise<void> {
  const recorder = createRecorder({ file: plan.file, process: plan.label });
  const clients: Locks[] = [];
  const batches = randomFrom(`${plan.seed}/${plan.label}/localRun`);
  for (let i = 0; i < plan.clients; i++) {
    // Half as it comes; the others in strict order, or in batches that are over soon.
    const localRun = batches.pick([undefined, undefined, { count: 0 }, { count: 2 }]);
    clients.push(createLocks(await open(), { localRun }));
  }
  tell('ready');
  const progress = setInterval(() => tell('progress', holds), 1_000);
  const write = async (key: string, fence: bigint): Promise<void> => {
    await recorder.write(key, fence, async () => (await call('write', key, fence)) as boolean);
  };
  const tasks = clients.flatMap((client, index) => {
    const locks = recorder.locks(client);
    return Array.from({ length: plan.tasks }, (_, task) => {
      const random = randomFrom(`${plan.seed}/${plan.label}/${index}/${task}`);
      const onHold = () => void holds++;
      const { keys, pools, ttlMs } = plan;
      return work({ locks, random, keys, pools, ttlMs, stop: stopping.signal, write, onHold });
    });
  });
  await Promise.all(tasks.map((task) => task.catch(trouble('a call of a lock threw what none throws'))));
  clearInterval(progress);
  for (const client of clients) await client.close().catch(trouble('closing failed'));
  recorder.close();
}

async function open(): Promise<LockAdapter> {
  for (;;) {
    try {
      return await openAdapter(plan.options, plan.at);
    } catch (error) {
      if (!plan.patient) throw error;
      await sleep(200);
    }
  }
}
