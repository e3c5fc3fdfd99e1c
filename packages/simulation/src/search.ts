import { models } from './backends/models.ts';
import { loadPrograms } from './backends/programs.ts';
import type { SourcePatch } from './engine/bundle.ts';
import type { Outcome } from './run/outcome.ts';
import { simulate } from './run/simulate.ts';
import { drawSchedule } from './schedule/draw.ts';
import type { BackendName, Schedule } from './schedule/types.ts';
import { shrink } from './shrink.ts';

/** A seed that failed, and the smallest schedule that fails in the same way. */
export interface Finding {
  readonly backend: BackendName;
  readonly seed: string;
  readonly outcome: Outcome;
  readonly schedule: Schedule;
  /** How many simulations ran before it. */
  readonly after: number;
}

/** What a campaign over one backend did. */
export interface CampaignResult {
  readonly finding: Finding | undefined;
  readonly simulations: number;
  readonly grants: number;
  readonly ms: number;
  /** The processor time of that. */
  readonly cpuMs: number;
}

export interface CampaignTerms {
  readonly backend: BackendName;
  readonly budgetMs: number;
  readonly patches?: readonly SourcePatch[] | undefined;
  /** Gives the seeds, one after the other; ends the campaign with `undefined`. */
  nextSeed(index: number): string | undefined;
  readonly shrinkMs: number;
  /** Told before each simulation, also those that make a schedule smaller. */
  readonly onSeed?: ((backend: BackendName, seed: string) => void) | undefined;
}

/** Simulates seed after seed until one fails or the time is up, and makes the failing one smaller. */
export async function runCampaign(terms: CampaignTerms): Promise<CampaignResult> {
  const { backend, budgetMs, patches, nextSeed, shrinkMs, onSeed } = terms;
  const programs = await loadPrograms(backend, patches);
  const startedAt = performance.now();
  const cpuAtStart = process.cpuUsage();
  const spent = (): { ms: number; cpuMs: number } => {
    const { user, system } = process.cpuUsage(cpuAtStart);
    return { ms: performance.now() - startedAt, cpuMs: (user + system) / 1_000 };
  };
  let grants = 0;
  for (let simulations = 0; ; simulations++) {
    const isOver = performance.now() - startedAt > budgetMs;
    const seed = nextSeed(simulations);
    if (isOver || seed === undefined) return { finding: undefined, simulations, grants, ...spent() };
    const schedule = drawSchedule(seed, backend, models[backend]);
    onSeed?.(backend, seed);
    const outcome = await simulate(schedule, programs);
    grants += outcome.grants;
    const [failure] = outcome.failures;
    if (failure === undefined) continue;
    const failsAlike = async (smaller: Schedule): Promise<boolean> => {
      onSeed?.(backend, seed);
      return (await simulate(smaller, programs)).failures.some(({ rule }) => rule === failure.rule);
    };
    const smallest = shrinkMs > 0 ? await shrink(schedule, failsAlike, shrinkMs) : schedule;
    const finding = {
      backend,
      seed,
      schedule: smallest,
      outcome: await simulate(smallest, programs),
      after: simulations,
    };
    return { finding, simulations: simulations + 1, grants, ...spent() };
  }
}
