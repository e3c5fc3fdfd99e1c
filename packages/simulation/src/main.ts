import { parseArgs } from 'node:util';
import { models } from './backends/models.ts';
import { type CampaignResult, type Finding, runCampaign } from './campaign.ts';
import { findRegression, regressions } from './regressions/find.ts';
import { type BackendName, backendNames } from './schedule/types.ts';
import { renderTimeline } from './timeline.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seconds: { type: 'string' },
    minutes: { type: 'string' },
    backend: { type: 'string' },
    regressions: { type: 'boolean', default: false },
    only: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});

const write = (text: string): void => void process.stdout.write(`${text}\n`);

const seedOfTheDay = (): string => new Date().toISOString().slice(0, 10);

const command = ({ backend, seed }: Finding): string => `pnpm simulate --backend ${backend} --seed ${seed}`;

function chosenBackends(): BackendName[] {
  const known = backendNames.filter((name) => models[name] !== undefined);
  if (values.backend === undefined) return known;
  const chosen = values.backend.split(',') as BackendName[];
  for (const name of chosen) {
    if (!known.includes(name))
      throw new Error(`There is no backend ${JSON.stringify(name)}; there are ${known.join(', ')}.`);
  }
  return chosen;
}

function report(backend: BackendName, { finding, simulations, grants, ms }: CampaignResult): void {
  const perMinute = Math.round((simulations / Math.max(1, ms)) * 60_000);
  write(
    `${backend}: ${simulations} simulations with ${grants} grants in ${(ms / 1_000).toFixed(1)} s, ${perMinute} a minute`,
  );
  if (finding !== undefined) write(`\n${renderTimeline(finding.schedule, finding.outcome, command(finding))}\n`);
}

/** One seed, as a failure names it: run, made smaller, and shown. */
async function replay(seed: string, backends: readonly BackendName[]): Promise<boolean> {
  let failed = false;
  for (const backend of backends) {
    const result = await runCampaign({
      backend,
      budgetMs: Number.POSITIVE_INFINITY,
      nextSeed: (index) => (index === 0 ? seed : undefined),
      shrinkMs: 20_000,
      accept: () => true,
    });
    report(backend, result);
    failed ||= result.finding !== undefined;
  }
  return failed;
}

async function search(minutes: number, backends: readonly BackendName[]): Promise<boolean> {
  const day = seedOfTheDay();
  write(`Seed of the day: ${day}`);
  let failed = false;
  for (const backend of backends) {
    const until = performance.now() + (minutes * 60_000) / backends.length;
    let next = 1;
    do {
      const result = await runCampaign({
        backend,
        budgetMs: until - performance.now(),
        nextSeed: () => `${day}.${next++}`,
        shrinkMs: 10_000,
      });
      report(backend, result);
      failed ||= result.finding !== undefined;
    } while (values.keep && performance.now() < until);
  }
  return failed;
}

/** Brings known faults back, one at a time, and says by which seed each is found. */
async function findAll(): Promise<boolean> {
  let missed = 0;
  for (const regression of regressions) {
    if (values.only !== undefined && !regression.name.includes(values.only)) continue;
    const found = await findRegression(regression, 'regression', Number(values.seconds ?? 60)).catch((error: Error) => {
      write(error.message);
      return undefined;
    });
    if (found === undefined) missed += 1;
    write(
      found === undefined
        ? `NOT FOUND  ${regression.name}`
        : `found      ${regression.name}: ${found.rule}, ${found.backend} seed ${found.seed}, ${found.simulations} simulations, ${found.cpuSeconds.toFixed(1)} s`,
    );
  }
  write(`${regressions.length} regressions, ${missed} not found`);
  return missed > 0;
}

const backends = chosenBackends();
const failed = values.regressions
  ? await findAll()
  : values.seed !== undefined
    ? await replay(values.seed, backends)
    : await search(
        values.seconds === undefined ? Number(values.minutes ?? 1.5) : Number(values.seconds) / 60,
        backends,
      );
process.exitCode = failed ? 1 : 0;
