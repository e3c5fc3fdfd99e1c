import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { models } from '../src/backends/models.ts';
import { checkPatch, compileShipped } from '../src/engine/bundle.ts';
import { fingerprintsOf } from '../src/fingerprints.ts';
import { findRegression, regressions } from '../src/regressions/find.ts';
import { drawSchedule } from '../src/schedule/draw.ts';
import type { BackendName } from '../src/schedule/types.ts';
import { runCampaign } from '../src/search.ts';
import { runTask } from '../src/tasks.ts';
import { renderTimeline } from '../src/timeline.ts';

// More or less: SIMULATION_SECONDS=1800 npx vitest run packages/simulation
const seconds = Number(process.env.SIMULATION_SECONDS ?? 90);
const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const names = Object.keys(models) as BackendName[];

/** Runs the command in a process of its own: an unhandled rejection in a simulation is its business, not of this runner. */
function run(...args: string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.once('error', reject);
    child.once('exit', (code) => resolve({ code, output }));
  });
}

it(`nothing fails in ${seconds} s of simulations over all backends`, {
  timeout: seconds * 4_000 + 120_000,
}, async () => {
  const { code, output } = await run('--seconds', String(seconds));
  process.stdout.write(output);
  expect(code, output).toBe(0);
});

it.each(names)(
  'on %s a seed gives the same simulation in another process, whatever ran before it',
  {
    timeout: 120_000,
  },
  async (backend) => {
    const many = Array.from({ length: 60 }, (_, i) => `same ${i + 1}`);
    // ioredis 5 reads a file when it first connects.
    const reading = many.filter((seed) => drawSchedule(seed, backend, models[backend]).options.client === 'ioredis-5');
    const seeds = [...new Set([...reading.slice(0, 2), ...many.slice(0, 3)])];
    let others: Readonly<Record<string, string>> = {};
    const inAnotherProcess = runTask({ kind: 'fingerprints', backend, seeds: seeds.toReversed() }, (told) => {
      if (told.kind === 'fingerprints') others = told.fingerprints;
    });
    const [own, hang] = await Promise.all([fingerprintsOf(backend, seeds), inAnotherProcess]);
    expect(hang).toBeUndefined();
    expect(others).toEqual(own);
  },
);

it('a patch that no longer applies is refused', async () => {
  const patch = { file: 'packages/lock-core/src/release.ts', find: 'no such text', replace: '' };
  await expect(compileShipped(models.memory.entry, [patch])).rejects.toThrow('no longer applies');
});

it('the patches of all regressions fit the shipped code', () => {
  for (const { patches, name } of regressions) {
    for (const patch of patches) expect(() => checkPatch(patch), name).not.toThrow();
  }
});

it('an endless loop in the shipped code is reported with its seed', { timeout: 120_000 }, async () => {
  const name = 'a clean-up that is to be repeated later spins';
  const hang = await runTask({ kind: 'regression', name, seconds: 60 }, () => {}, 5);
  expect(hang).toMatchObject({ backend: 'memory', seed: expect.stringMatching(/^regression\.\d+$/) });
});

it('a fault that was fixed is found when the fix is taken out, and shown as a short timeline', {
  timeout: 120_000,
}, async () => {
  const regression = regressions.find(({ name }) => name.startsWith('a shorter renewal counts'))!;
  const { finding } = await runCampaign({
    backend: 'memory',
    budgetMs: 100_000,
    patches: regression.patches,
    nextSeed: (index) => `shorter.${index}`,
    shrinkMs: 10_000,
  });
  expect(finding?.outcome.failures[0]?.rule).toMatch(/^(two holders|history|wrong answer)$/);
  const timeline = renderTimeline(finding!.schedule, finding!.outcome, 'pnpm simulate');
  expect(timeline.split('\n').length).toBeLessThan(40);
});

// Those that show within some dozens of simulations; `pnpm simulate --regressions` looks for all of them.
const samples = [
  'memory: a token is given twice',
  'a grant that comes after its own lease is taken',
  'Redis: a release does not look whose lock it is',
  'Redlock: one vote is enough',
  'guards: the holder of the newest token is refused its second write',
];

it.each(samples)('with this fault it fails: %s', { timeout: 240_000 }, async (name) => {
  const regression = regressions.find((one) => one.name === name)!;
  expect(await findRegression(regression, 'regression', 60)).toBeDefined();
});
