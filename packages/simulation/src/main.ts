import { checkNames, readArguments, wrongUsage } from '../../../scripts/usage.ts';
import { models } from './backends/models.ts';
import { regressions } from './regressions/find.ts';
import { type BackendName, backendNames } from './schedule/types.ts';
import type { CampaignResult, Finding } from './search.ts';
import { type Hang, runTask, type Task } from './tasks.ts';
import { renderTimeline } from './timeline.ts';

const usage = `pnpm simulate [options]
  --backend <names>      only these, separated by commas
  --minutes <n>          how long to search, over all backends (default 1.5); or --seconds <n>
  --day <seed>           the seed of the search (default: today's date)
  --seed <seed>          run one seed again, as a failure names it
  --keep                 search on after a failure, until the time is over
  --regressions          bring known faults back, and search for each: at most --seconds <n> (default 60)
  --only <text>          only regressions whose name contains the text`;

const { values } = readArguments(usage, {
  options: {
    seed: { type: 'string' },
    day: { type: 'string' },
    seconds: { type: 'string' },
    minutes: { type: 'string' },
    backend: { type: 'string' },
    regressions: { type: 'boolean', default: false },
    only: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});

const write = (text: string): void => void process.stdout.write(`${text}\n`);

const seedOfTheDay = (): string => values.day ?? new Date().toISOString().slice(0, 10);

const command = ({ backend, seed }: Pick<Finding, 'backend' | 'seed'>): string =>
  `pnpm simulate --backend ${backend} --seed ${seed}`;

function chosenBackends(): BackendName[] {
  const known = backendNames.filter((name) => models[name] !== undefined);
  if (values.backend === undefined) return known;
  const chosen = values.backend.split(',') as BackendName[];
  checkNames(usage, chosen, known);
  return chosen;
}

function report(backend: BackendName, { finding, simulations, grants, ms, cpuMs }: CampaignResult): void {
  const perMinute = Math.round((simulations / Math.max(1, cpuMs)) * 60_000);
  const seconds = `${(ms / 1_000).toFixed(1)} s, ${(cpuMs / 1_000).toFixed(1)} s of one core`;
  write(
    `${backend}: ${simulations} simulations with ${grants} grants in ${seconds}: ${perMinute} a minute of one core`,
  );
  if (finding !== undefined) write(`\n${renderTimeline(finding.schedule, finding.outcome, command(finding))}\n`);
}

function reportHang({ backend, seed }: Hang): void {
  write(
    `\nENDLESS LOOP: a simulation of ${backend} does not come to its end.\nReplay: ${command({ backend, seed })}\n`,
  );
}

/** Simulates one backend in a process of its own; whether anything failed. */
async function simulateBackend(task: Omit<Task & { kind: 'campaign' }, 'kind' | 'keep'>): Promise<boolean> {
  let failed = false;
  const hang = await runTask({ kind: 'campaign', keep: values.keep, ...task }, (told) => {
    if (told.kind === 'failed') {
      write(told.message);
      failed = true;
    }
    if (told.kind !== 'result') return;
    report(task.backend, told.result);
    failed ||= told.result.finding !== undefined;
  });
  if (hang !== undefined) reportHang(hang);
  return failed || hang !== undefined;
}

/** One seed, as a failure names it: run, made smaller, and shown. */
async function replay(seed: string, backends: readonly BackendName[]): Promise<boolean> {
  let failed = false;
  for (const backend of backends) {
    failed = (await simulateBackend({ backend, seed, isOne: true, seconds: 0, shrinkMs: 20_000 })) || failed;
  }
  return failed;
}

async function search(minutes: number, backends: readonly BackendName[]): Promise<boolean> {
  const seed = seedOfTheDay();
  write(`Seed of the day: ${seed}`);
  let failed = false;
  for (const backend of backends) {
    const seconds = (minutes * 60) / backends.length;
    failed = (await simulateBackend({ backend, seed, isOne: false, seconds, shrinkMs: 10_000 })) || failed;
  }
  return failed;
}

/** Brings known faults back, one at a time, and says by which seed each is found. */
async function findAll(): Promise<boolean> {
  const seconds = Number(values.seconds ?? 60);
  const chosen = regressions.filter(({ name }) => name.includes(values.only ?? ''));
  if (chosen.length === 0) wrongUsage(usage, `There is no regression with ${JSON.stringify(values.only)} in its name.`);
  let missed = 0;
  for (const { name } of chosen) {
    let line = '';
    const hang = await runTask({ kind: 'regression', name, seconds }, (told) => {
      if (told.kind === 'failed') line = told.message;
      if (told.kind !== 'found' || told.found === undefined) return;
      const { rule, backend, seed, simulations, cpuSeconds } = told.found;
      line = `found      ${name}: ${rule}, ${backend} seed ${seed}, ${simulations} simulations, ${cpuSeconds.toFixed(1)} s`;
    });
    if (hang !== undefined) line = `found      ${name}: endless loop, ${hang.backend} seed ${hang.seed}`;
    if (!line.startsWith('found')) missed += 1;
    write(line.startsWith('found') ? line : `NOT FOUND  ${name}${line === '' ? '' : `: ${line}`}`);
  }
  write(`${chosen.length} regressions, ${missed} not found`);
  return missed > 0;
}

for (const name of ['seconds', 'minutes'] as const) {
  const given = values[name];
  if (given !== undefined && !(Number(given) > 0))
    wrongUsage(usage, `--${name} must be a number above 0, not ${JSON.stringify(given)}.`);
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
