import { models } from '../backends/models.ts';
import { loadPrograms } from '../backends/programs.ts';
import { simulate } from '../run/simulate.ts';
import { drawSchedule } from '../schedule/draw.ts';
import type { BackendName, Schedule } from '../schedule/types.ts';
import { runCampaign } from '../search.ts';
import { backendRegressions } from './backends.ts';
import { combinationRegressions } from './combinations.ts';
import { coreRegressions } from './core.ts';
import { etcdRegressions } from './etcd.ts';
import { modeRegressions } from './modes.ts';
import { newCallRegressions } from './new-calls.ts';
import { plantedRegressions } from './planted.ts';
import { plantedAgainRegressions } from './planted-again.ts';
import { postgresRegressions } from './postgres.ts';
import { redisQueueRegressions } from './redis-queue.ts';
import { redlockClaimRegressions } from './redlock-claims.ts';
import type { Regression } from './regression.ts';
import { claimRegressions } from './shared-and-permits.ts';
import { zookeeperRegressions } from './zookeeper.ts';

/** Every regression that the simulator has to find. */
export const regressions: readonly Regression[] = [
  ...coreRegressions,
  ...modeRegressions,
  ...newCallRegressions,
  ...backendRegressions,
  ...redisQueueRegressions,
  ...redlockClaimRegressions,
  ...etcdRegressions,
  ...zookeeperRegressions,
  ...postgresRegressions,
  ...claimRegressions,
  ...plantedRegressions,
  ...plantedAgainRegressions,
  ...combinationRegressions,
];

/** By which seed a regression was found, and after how long. */
export interface Found {
  readonly backend: BackendName;
  readonly seed: string;
  readonly rule: string;
  readonly simulations: number;
  readonly cpuSeconds: number;
}

const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000_000;
};

function isLookedAt({ inClaims = false, about }: Regression, schedule: Schedule): boolean {
  const hasClaims = schedule.claims !== undefined;
  if (about !== undefined && schedule.about !== about) return false;
  return inClaims ? hasClaims : about === undefined || !hasClaims;
}

/** Simulates the code with the fault until it fails on a seed on which the code without the fault does not. */
export async function findRegression(
  regression: Regression,
  seed: string,
  budgetSeconds: number,
  onSeed?: (backend: BackendName, seed: string) => void,
): Promise<Found | undefined> {
  const startedAt = cpuSeconds();
  let simulations = 0;
  for (const [i, backend] of regression.backends.entries()) {
    const until = startedAt + (budgetSeconds * (i + 1)) / regression.backends.length;
    const whole = await loadPrograms(backend);
    let next = 0;
    const nextSeed = (): string => {
      const name = `${seed}.${next++}`;
      return isLookedAt(regression, drawSchedule(name, backend, models[backend])) ? name : nextSeed();
    };
    while (cpuSeconds() < until) {
      const { finding, simulations: count } = await runCampaign({
        backend,
        budgetMs: Number.POSITIVE_INFINITY,
        patches: regression.patches,
        nextSeed: () => (cpuSeconds() < until ? nextSeed() : undefined),
        shrinkMs: 0,
        onSeed,
      });
      simulations += count;
      const failure = finding?.outcome.failures[0];
      if (finding === undefined || failure === undefined) continue;
      const without = await simulate(drawSchedule(finding.seed, backend, models[backend]), whole);
      if (without.failures.length > 0) continue;
      return { backend, seed: finding.seed, rule: failure.rule, simulations, cpuSeconds: cpuSeconds() - startedAt };
    }
  }
  return undefined;
}
