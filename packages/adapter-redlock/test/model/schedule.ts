import type { Claim } from '@holdfast/lock-core';
import { type ClientFaults, createClient, type Machine } from './client.ts';
import { Broken, createJudge } from './judge.ts';
import { createSite, type Site, type Weather } from './network.ts';
import type { StoreFaults } from './store.ts';
import { createWorld, type Dice, dice, type World } from './world.ts';

/** What is assumed of the machines. Networks, pauses and the clients' wall clocks are as bad as they like everywhere. */
export interface Assumptions {
  /** No clock runs faster or slower than true time by more than this fraction, and no node's clock jumps. */
  readonly clocks: 'good' | 'mad';
  /** What a node remembers after a restart, and whether it stays away first for longer than any lease and proposal. */
  readonly restart: 'with-memory' | 'empty-delayed' | 'empty-at-once';
  /** Whether tokens are promised, default true: without `fencing` the nodes keep none. */
  readonly tokens?: boolean;
  /** What is asked for beside exclusive locks, default nothing. */
  readonly modes?: 'shared' | 'permits';
}

export type Faults = StoreFaults & ClientFaults;

// Two clocks that are each off by this stay within the 1 % that the algorithm allows for.
const rateError = 0.004;
const longestTtlMs = 400;
const durationMs = 2_500;
const calmMs = 5_000;
// In µs: with nodes that forget, wall clocks must be right to within less than half of the restart delay.
const wildSkewsMicros = [3_600_000_000, 30 * 3_600_000_000, 50 * 365 * 24 * 3_600_000_000];
const epochMicros = 60 * 365 * 24 * 3_600_000_000;
const mildSkewMicros = 50_000;
const restartDelayMs = longestTtlMs * 1.01 + 2 * (mildSkewMicros / 1_000) + 150;

/** Whether exclusion is promised under these assumptions; what is promised of the tokens is promised under all. */
const promisesExclusion = ({ clocks, restart }: Assumptions): boolean =>
  clocks === 'good' && restart !== 'empty-at-once';

/**
 * Plays one schedule: nodes, clients, weather and disasters all follow from the seed. Gives the number of grants; throws
 * `Broken` for a promise that did not hold.
 */
export function play(
  seed: number,
  assumptions: Assumptions,
  faults: Faults = {},
  exclusion: boolean = promisesExclusion(assumptions),
): number {
  const random = dice(seed);
  const world = createWorld();
  const { tokens = true } = assumptions;
  const judge = createJudge(exclusion, tokens);
  const good = assumptions.clocks === 'good';
  const rate = (): number => 1 + random.between(-1, 1) * (good ? rateError : 0.3);

  const clocks = Array.from({ length: random.pick([1, 2, 3, 3, 3, 3, 4, 5]) }, () => ({ rate: rate(), jumpMs: 0 }));
  const sites = clocks.map((clock) => createSite(world, clock, tokens ? faults : { ...faults, forgetsToken: true }));
  const weather = weatherOf(random);
  const skew = assumptions.restart === 'with-memory' ? random.pick(wildSkewsMicros) : mildSkewMicros;
  // Sometimes the wall clocks agree and are coarse, so that proposals collide.
  const granularityMs = random.chance(0.2) ? 50 : 0.001;
  const machines: Machine[] = Array.from(
    { length: (assumptions.modes === undefined ? 2 : 3) + random.below(2) },
    () => ({
      rate: rate(),
      skewMicros: epochMicros + (granularityMs > 1 ? 0 : random.between(-1, 1) * skew),
      granularityMs,
      pausedUntil: 0,
    }),
  );
  const limit = assumptions.modes === 'permits' ? random.pick([1, 2, 3, 4]) : 1;
  const drawClaim = (): Claim => {
    if (assumptions.modes === 'permits') return { mode: 'permits', permits: random.chance(0.7) ? 1 : limit, limit };
    return { mode: assumptions.modes === 'shared' && random.chance(0.5) ? 'shared' : 'exclusive' };
  };
  for (const [i, machine] of machines.entries()) {
    createClient('ABCD'[i]!, world, random, sites, weather, machine, judge, faults, drawClaim, limit).start(
      1 + random.below(3),
    );
  }
  for (let i = random.below(5); i > 0; i--) disaster(random, world, assumptions, clocks, sites, machines, skew);
  world.run(durationMs);
  const { grants } = judge;
  calm(weather, sites, machines);
  // Whatever clocks have left behind, another client gets the lock.
  const late: Machine = { rate: 1, skewMicros: epochMicros, granularityMs: 0.001, pausedUntil: 0 };
  createClient('Z', world, random, sites, weather, late, judge, faults, drawClaim, limit).start(20);
  for (let at = durationMs; judge.grants === grants; at += 50) {
    if (at > durationMs + calmMs) throw new Broken('liveness', `nobody got the lock in ${calmMs} ms without faults`);
    world.run(at);
  }
  return grants;
}

/** Ends everything that disturbs. */
function calm(weather: Weather, sites: readonly Site[], machines: readonly Machine[]): void {
  Object.assign(weather, { loss: 0, late: 0, resent: 0, broken: 0, unconnected: 0 });
  for (const site of sites) site.up = true;
  for (const machine of machines) machine.pausedUntil = 0;
}

function weatherOf(random: Dice): Weather {
  const sometimes = (most: number): number => (random.chance(0.5) ? 0 : random.between(0, most));
  return {
    loss: sometimes(0.2),
    late: sometimes(0.4),
    longestDelayMs: random.pick([20, 100, 600]),
    resent: sometimes(0.2),
    broken: sometimes(0.1),
    unconnected: sometimes(0.1),
  };
}

function disaster(
  random: Dice,
  world: World,
  { clocks: assumed, restart }: Assumptions,
  clocks: readonly { jumpMs: number }[],
  sites: readonly Site[],
  machines: readonly Machine[],
  skew: number,
): void {
  const kind = random.pick(['pause', 'step', 'restart', 'restart', 'jump']);
  const machine = random.pick(machines);
  const site = random.pick(sites);
  const clock = random.pick(clocks);
  const pauseMs = random.pick([10, 150, 700]);
  const stepMicros = epochMicros + random.between(-1, 1) * skew;
  const jumpMs = random.between(-1, 1) * longestTtlMs;
  const downMs = random.between(1, 100) + (restart === 'empty-delayed' ? restartDelayMs : 0);
  world.after(random.between(0, durationMs / 3), () => {
    if (kind === 'pause') machine.pausedUntil = world.now + pauseMs;
    if (kind === 'step') machine.skewMicros = stepMicros;
    if (kind === 'jump' && assumed === 'mad') clock.jumpMs += jumpMs;
    if (kind !== 'restart' || !site.up) return;
    site.up = false;
    if (restart !== 'with-memory') site.store.forget();
    world.after(downMs, () => {
      site.up = true;
    });
  });
}
