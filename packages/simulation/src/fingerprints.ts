import { models } from './backends/models.ts';
import { loadPrograms } from './backends/programs.ts';
import { simulate } from './run/simulate.ts';
import { drawSchedule } from './schedule/draw.ts';
import type { BackendName } from './schedule/types.ts';

/** What each of these seeds gives, one after the other in this order: equal in any order, and in any process. */
export async function fingerprintsOf(backend: BackendName, seeds: readonly string[]): Promise<Record<string, string>> {
  const programs = await loadPrograms(backend);
  const found: Record<string, string> = {};
  for (const seed of seeds) {
    const { fingerprint, steps } = await simulate(drawSchedule(seed, backend, models[backend]), programs);
    found[seed] = `${fingerprint} ${steps}`;
  }
  return found;
}
