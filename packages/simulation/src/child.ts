import { fingerprintsOf } from './fingerprints.ts';
import { findRegression, regressions } from './regressions/find.ts';
import type { BackendName } from './schedule/types.ts';
import { runCampaign } from './search.ts';
import type { Task, Told } from './tasks.ts';

const tell = (told: Told): void => void process.send?.(told);

const tellSeed = (backend: BackendName, seed: string): void => tell({ kind: 'seed', backend, seed });

async function campaign(task: Task & { kind: 'campaign' }): Promise<void> {
  const { backend, seed, isOne, seconds, shrinkMs, keep } = task;
  const until = performance.now() + seconds * 1_000;
  let next = 1;
  do {
    const result = await runCampaign({
      backend,
      budgetMs: isOne ? Number.POSITIVE_INFINITY : until - performance.now(),
      nextSeed: (index) => (isOne ? (index === 0 ? seed : undefined) : `${seed}.${next++}`),
      shrinkMs,
      onSeed: tellSeed,
    });
    tell({ kind: 'result', result });
  } while (keep && performance.now() < until);
}

async function regression({ name, seconds }: Task & { kind: 'regression' }): Promise<void> {
  const wanted = regressions.find((one) => one.name === name);
  if (wanted === undefined) throw new Error(`There is no regression ${JSON.stringify(name)}.`);
  tell({ kind: 'found', found: await findRegression(wanted, 'regression', seconds, tellSeed) });
}

async function fingerprints({ backend, seeds }: Task & { kind: 'fingerprints' }): Promise<void> {
  tell({ kind: 'fingerprints', fingerprints: await fingerprintsOf(backend, seeds) });
}

function run(task: Task): Promise<void> {
  if (task.kind === 'campaign') return campaign(task);
  return task.kind === 'regression' ? regression(task) : fingerprints(task);
}

const onOrphaned = (): void => process.exit(1);
process.once('disconnect', onOrphaned);
process.once('message', (task: Task) => {
  run(task)
    .catch((error: unknown) =>
      tell({ kind: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    )
    .finally(() => {
      process.off('disconnect', onOrphaned);
      process.disconnect();
    });
});
// Stack traces of thousands of expected errors cost more than they say: the shipped code is one bundle.
process.setSourceMapsEnabled(false);
