import { type Machine, thisMachine } from '../machine.ts';
import type { CompareOptions } from '../options.ts';
import { progressDisplay } from '../progress.ts';
import { type NotMeasured, type PartId, partIds, type Report, schemaVersion } from '../report/schema.ts';
import { rivalPackages, rivals } from './competitors.ts';
import { contention } from './contention.ts';
import { faults } from './faults.ts';
import { features } from './features.ts';
import { type Part, type PartContext, reasonOf } from './part.ts';
import type { RunningBackend } from './running-backend.ts';
import { scale } from './scale.ts';
import { settingsOf } from './settings.ts';
import { startBackend } from './start-backends.ts';
import { subjectPool } from './subject-pool.ts';
import { uncontended } from './uncontended.ts';
import { waiters } from './waiters.ts';

const titles: Readonly<Record<PartId, string>> = {
  uncontended: 'free locks',
  contention: 'one key that all want',
  waiters: 'many waiters for one key',
  scale: 'many held locks',
  faults: 'what happens when things break',
  rivals: 'other libraries on the same Redis',
};

/** Starts the servers, measures part by part, stops all. A part that breaks off does not take the others with it. */
export async function runComparison(options: CompareOptions): Promise<Report> {
  const startedAt = new Date();
  const begin = performance.now();
  const machine = thisMachine([...rivalPackages, 'async-mutex']);
  const display = progressDisplay(options.only.length);
  const notMeasured: NotMeasured[] = [];
  const failures: string[] = [];
  const backends: RunningBackend[] = [];
  const results: Partial<Report>[] = [];
  await using pool = subjectPool();
  try {
    await startAll(options, machine, backends, (what, why) =>
      notMeasured.push(...options.only.map((part) => ({ part, backend: null, what, why }))),
    );
    const parts = partsWith(machine);
    for (const part of partIds) {
      if (!options.only.includes(part)) {
        notMeasured.push({ part, backend: null, what: titles[part], why: 'It was left out with --only.' });
        continue;
      }
      const gap: PartContext['notMeasured'] = (backend, what, why) => notMeasured.push({ part, backend, what, why });
      const shared = { backends, pool, quick: options.quick, rounds: options.rounds };
      const fail = (what: string): number => failures.push(what);
      try {
        results.push(
          await display.part(titles[part], (progress) => parts[part]({ ...shared, progress, notMeasured: gap, fail })),
        );
      } catch (error) {
        gap(null, titles[part], reasonOf(error));
        failures.push(`${titles[part]}: ${error instanceof Error ? error.stack : String(error)}`);
      }
    }
    const growth = results.flatMap((result) => result.growth ?? []);
    return {
      schema: schemaVersion,
      startedAt: startedAt.toISOString(),
      tookMs: performance.now() - begin,
      mode: options.quick ? 'quick' : 'full',
      machine,
      settings: settingsOf(options),
      backends: backends.map(({ id, title, client, server, servers }) => ({ id, title, client, server, servers })),
      ...{ uncontended: [], contention: [], waiters: [], scale: [], faults: [], rivals: [] },
      ...Object.assign({}, ...results),
      growth,
      features: await features({ backends, pool }),
      notMeasured,
      failures,
    };
  } finally {
    await Promise.all(backends.map((backend) => backend.stop()));
  }
}

function partsWith(machine: Machine): Readonly<Record<PartId, Part>> {
  return {
    uncontended,
    contention,
    waiters,
    scale,
    faults,
    rivals: (context) => rivals({ ...context, versions: machine.clients }),
  };
}

/** Those that do not start are missing in the report. */
async function startAll(
  { backends }: CompareOptions,
  { clients }: Machine,
  started: RunningBackend[],
  gap: (what: string, why: string) => void,
): Promise<void> {
  const starting = await Promise.allSettled(backends.map((id) => startBackend[id](clients)));
  for (const [i, outcome] of starting.entries()) {
    if (outcome.status === 'fulfilled') started.push(outcome.value);
    else gap(backends[i]!, `Its servers did not start: ${reasonOf(outcome.reason)}`);
  }
}
