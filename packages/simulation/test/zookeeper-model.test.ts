import { startZookeeper } from '@holdfast/testbed';
import { it } from 'vitest';
import type { Machine } from '../src/engine/machine.ts';
import { createWorld } from '../src/engine/world.ts';
import { createRandom } from '../src/random.ts';
import { createEnsemble, type Ensemble } from '../src/servers/zookeeper/ensemble.ts';
import { Comparison } from './support/zookeeper-comparison.ts';

// Another seed, or more: SIMULATION_SEED=7 SIMULATION_OPERATIONS=500000 npx vitest run packages/simulation
const seed = process.env.SIMULATION_SEED ?? new Date().toISOString().slice(0, 10);
const operations = Number(process.env.SIMULATION_OPERATIONS ?? 20_000);

const tickMs = 50;
const [shortMs, longMs] = [2 * tickMs, 60_000];
// A real server looks for empty containers once a minute, the model here never does.
const perServer = 60_000;

/** A model of one server, with a clock that stands still: nothing happens by itself. */
function createModel(): Ensemble {
  const world = createWorld(createRandom(seed));
  const { random } = world;
  const clock = { state: 'running', now: () => 0, wallNow: () => 0, receive: (run: () => void) => run() };
  return createEnsemble({
    ...{ world, random, machines: [{ world, random, ...clock } as Machine] },
    ...{ tickMs, syncLimit: 5, leastTimeoutMs: shortMs, mostTimeoutMs: longMs },
    ...{ containerCheckMs: Number.POSITIVE_INFINITY, delayMs: () => 0, lagMs: () => 0 },
  });
}

it(`the model of ZooKeeper answers as the real server does, ${operations} operations in a row (seed ${seed})`, {
  timeout: 600_000,
}, async () => {
  const random = createRandom(`zookeeper model ${seed}`);
  const config = [`tickTime=${tickMs}`, `minSessionTimeout=${shortMs}`, `maxSessionTimeout=${longMs}`, 'forceSync=no'];
  for (let left = operations; left > 0; left -= perServer) {
    await using server = await startZookeeper({ config });
    const terms = { port: server.port, ensemble: createModel(), random: random.fork(`${left}`), longMs, shortMs };
    await new Comparison(terms).run(Math.min(left, perServer));
  }
});
