import type { Locks } from '@holdfast/lock-core';
import type { ClientProcess, Programs } from '../backends/backend.ts';
import { models } from '../backends/models.ts';
import { playClaims } from '../claims/play-claims.ts';
import { createEnvironment } from '../engine/environment.ts';
import { createLastingCollections, type LastingCollections } from '../engine/lasting-collections.ts';
import { createMachine } from '../engine/machine.ts';
import { createNetwork } from '../engine/network.ts';
import { createNet } from '../engine/socket.ts';
import { createWorld } from '../engine/world.ts';
import { createRandom } from '../random.ts';
import { allSteps, keysOf } from '../schedule/all-steps.ts';
import { isOtherMode } from '../schedule/draw-modes.ts';
import type { Schedule } from '../schedule/types.ts';
import { type Actor, createActor } from './actor.ts';
import { createCalls, isNeverSilent } from './calls.ts';
import { arrivesTooLateAfterMs } from './deadlines.ts';
import { describeFault, strike } from './faults.ts';
import { judgeHistory } from './history.ts';
import { createLiveness, longestTtl } from './liveness.ts';
import { createOracle } from './oracle.ts';
import { fingerprint, type Note, type Outcome } from './outcome.ts';
import { createShares } from './shares.ts';
import { createTrafficWatch } from './traffic.ts';
import { createAdapterWatch } from './watched-adapter.ts';
import { createWatches } from './watches.ts';

const closingMs = 60_000;
// An outage of hours may take more than it is worth; it is then given up without a verdict.
const mostSteps = 25_000;

/** Runs one simulation from its beginning to its end, or to its first failure. */
export async function simulate(schedule: Schedule, programs: Programs): Promise<Outcome> {
  if (schedule.claims !== undefined) return playClaims(schedule, schedule.claims, programs);
  const random = createRandom(`${schedule.backend} ${schedule.seed} run`);
  const world = createWorld(random);
  const notes: Note[] = [];
  const note = (who: string, what: string): void => void notes.push({ at: world.now, who, what });
  const network = createNetwork(world, random.fork('network'), schedule.network);
  const model = models[schedule.backend];
  const oracle = createOracle({
    now: () => world.now,
    note,
    longestTtlMs: longestTtl(schedule) + (model.granularityMs ?? 0),
    isQuiet: isNeverSilent(schedule),
    shortenedLateFrom: ({ step, grantedAt }) => grantedAt + arrivesTooLateAfterMs(schedule, step),
  });
  const backend = model.create({
    world,
    network,
    schedule,
    programs,
    note,
    excuseHolds: oracle.excuseAll,
    fail: oracle.fail,
    freedByForce: oracle.freed,
  });
  const machines = schedule.clients.map((terms, i) => createMachine(world, `process ${i + 1}`, terms, terms.originMs));
  const calls = createCalls(machines, oracle, schedule, () => world.now, note);
  const shares = createShares(schedule, calls.open, oracle, () => world.now);
  const watches = createWatches(oracle.fail, 2_000 + model.slowestHintMs);
  const onUnhandled = (error: unknown): void => {
    oracle.fail('unhandled rejection', error instanceof Error ? (error.stack ?? error.message) : String(error));
  };
  process.on('unhandledRejection', onUnhandled);

  const adapters = createAdapterWatch(oracle.fail, 100 + 20 * allSteps(schedule.steps).length);
  const lasting: LastingCollections[] = [];
  const actors = schedule.clients.map((terms, index): Actor => {
    const collections = createLastingCollections();
    lasting.push(collections);
    const environment = createEnvironment(machines[index]!, {}, false, collections.globals);
    environment.net = createNet(network, index, environment);
    for (const name of model.imports ?? []) environment.modules.set(name, programs.library(name, environment));
    const shipped = programs.shipped(environment);
    const client: ClientProcess = { index, machine: machines[index]!, environment, shipped };
    const open = backend.connect(client);
    const createLocks = shipped.createLocks as (adapter: object, options: object) => Locks;
    // A name that is the same on every machine, or a seed would not replay.
    const locks = terms.locks.map((options) =>
      createLocks(adapters.watch(open(), machines[index]!.name), { name: 'simulated', ...onlySet(options) }),
    );
    collections.started();
    return createActor({
      process: client,
      schedule,
      locks,
      oracle,
      calls,
      watches,
      shares,
      now: () => world.now,
      note,
    });
  });

  for (const step of schedule.steps) {
    const actor = actors[step.client]!;
    world.at(step.at, () => actor.process.machine.receive(() => actor.start(step)));
  }
  for (const fault of schedule.faults) {
    world.at(fault.at, () => {
      note('fault', describeFault(fault));
      strike(fault, world, network, machines, backend);
    });
  }

  try {
    await play();
  } finally {
    process.off('unhandledRejection', onUnhandled);
    for (const machine of [...machines, ...network.hosts.map((host) => host.machine)]) machine.crash();
  }
  // Its models know exclusive locks.
  const playsModes = allSteps(schedule.steps).some(({ options }) => isOtherMode(options));
  if (oracle.failures.length === 0 && !playsModes) judgeHistory(oracle);
  const grants = oracle.events.filter(({ f, kind }) => f === 'acquire' && kind === 'ok').length;
  return {
    failures: oracle.failures,
    notes,
    fingerprint: fingerprint(notes),
    steps: world.steps,
    virtualMs: world.now,
    grants,
  };

  async function play(): Promise<void> {
    const calmAt = calmTime(schedule);
    const alive = actors.filter(({ process: { machine } }) => machine.state !== 'crashed');
    const liveness = createLiveness({
      schedule,
      backend,
      machines,
      calls,
      oracle,
      watches,
      adapters,
      lasting,
      now: () => world.now,
      note,
    });
    const keys = backend.guarded === undefined ? [] : [...new Set(allSteps(schedule.steps).flatMap(keysOf))];
    const afterEach = (): void => {
      oracle.sample();
      for (const key of keys) oracle.sawWrite(key, backend.guarded?.(key));
    };
    const hasFailed = (): boolean => oracle.failures.length > 0 || world.steps > mostSteps;
    const isIdle = (): boolean =>
      alive.every(({ isBusy, process: { machine } }) => !isBusy || machine.state === 'crashed');
    const runUntil = (isOver: () => boolean): Promise<void> => world.run(() => hasFailed() || isOver(), afterEach);
    const tick = (until: number): void => {
      liveness.look();
      if (world.now < until) world.after(250, () => tick(until));
    };

    const lookAtTraffic = createTrafficWatch({ schedule, network, machines, calls, oracle });
    const watchTraffic = (): void => {
      lookAtTraffic();
      calls.checkTime();
      if (!isIdle() || world.now < calmAt) world.after(1_000, watchTraffic);
    };
    world.at(1_000, watchTraffic);

    let isCalm = false;
    world.at(calmAt, () => {
      isCalm = true;
      note('calm', 'nothing goes wrong from here on');
      backend.heal();
      network.heal();
      tick(calmAt + liveness.patienceMs + 15_000);
    });
    await runUntil(() => isCalm && (isIdle() || world.now > calmAt + liveness.patienceMs));
    if (hasFailed()) return;
    // Some stay for a while with nothing to do: what was left unanswered must be cleaned up by then.
    const lingers = random.fork('linger').chance(0.5);
    const lingersUntil = lingers ? world.now + 12_000 : world.now;
    world.at(lingersUntil, () => {});
    await runUntil(() => world.now >= lingersUntil);
    if (hasFailed()) return;
    if (lingers && isIdle()) liveness.lookWhenIdle();
    if (hasFailed()) return;
    liveness.stop();

    note('calm', 'all close');
    let open = 0;
    for (const {
      process: { machine },
      closeAll,
    } of actors) {
      if (machine.state !== 'running') continue;
      open += 1;
      machine.receive(() => {
        void closeAll().finally(() => {
          open -= 1;
        });
      });
    }
    const closedBy = world.now + closingMs;
    world.at(closedBy + 1, () => {});
    await runUntil(() => (open === 0 && calls.open.size === 0) || world.now > closedBy);
    if (hasFailed()) return;
    liveness.lookAfterClose(open, lingers);
    for (const {
      listeners,
      process: { machine },
    } of actors) {
      if (machine.state === 'running' && listeners > 0)
        oracle.fail(
          'left behind',
          `${listeners} listeners to a signal of ${machine.name}, none of whose calls is open`,
        );
    }

    const closedAt = world.now;
    if (lingers) {
      world.at(closedAt + 1_000, () => {});
      await runUntil(() => world.now >= closedAt + 1_000);
      if (hasFailed()) return;
      liveness.lookForStrays();
    }
    world.at(closedAt + 60_001, () => {});
    // Places that were asked for late hold the key one after the other.
    const places = schedule.options.fairness === 'fifo' ? 1 + allSteps(schedule.steps).length : 1;
    const overAt = closedAt + places * longestTtl(schedule) * 1.01 + 5_000;
    let isOver = false;
    world.at(overAt, () => {
      isOver = true;
    });
    // Leases of weeks are waited for only where one is left.
    await runUntil(() => isOver || (world.now > closedAt + 60_000 && backend.leftovers().length === 0));
    if (hasFailed()) return;
    liveness.lookAtTheEnd();
    if (machines.every(({ state }) => state === 'running')) adapters.lookAtTheEnd();
  }
}

/** When the last fault is over and the last step has begun. */
function calmTime({ steps, faults }: Schedule): number {
  const ends = faults.map((fault) => fault.at + ('ms' in fault && fault.kind !== 'step-wall' ? fault.ms : 0));
  return Math.max(0, ...steps.map(({ at }) => at), ...ends) + 50;
}

const onlySet = (options: object): object =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
