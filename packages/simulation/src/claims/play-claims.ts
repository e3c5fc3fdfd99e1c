import type { LockAdapter } from '@holdfast/lock-core';
import type { Programs } from '../backends/backend.ts';
import { models } from '../backends/models.ts';
import { createEnvironment } from '../engine/environment.ts';
import { createMachine } from '../engine/machine.ts';
import { createNetwork } from '../engine/network.ts';
import { createNet } from '../engine/socket.ts';
import { createWorld } from '../engine/world.ts';
import { createRandom } from '../random.ts';
import { describeFault, strike } from '../run/faults.ts';
import { fingerprint, type Note, type Outcome } from '../run/outcome.ts';
import type { ClaimStep, Fault, Schedule } from '../schedule/types.ts';
import type { Player } from './ask.ts';
import { createClaimOracle } from './claim-oracle.ts';
import { play } from './play-claim.ts';

/** What takes holds away that nobody could keep, as those who play claims are not told. */
const forgets: ReadonlySet<string> = new Set([
  ...['restart without data', 'failover', 'restart empty', 'restart with an old snapshot', 'clock step'],
  'wall clock far off',
]);

// A sleep of the machine, and servers that forget, are what core and the operator have to deal with.
const isPlayed = (fault: Fault): boolean =>
  fault.kind !== 'suspend' && !(fault.kind === 'server' && forgets.has(fault.name));

const mostSteps = 60_000;

/** Plays requests for claims on the adapter itself, as core would send them, and looks at who holds and who waits. */
export async function playClaims(
  schedule: Schedule,
  steps: readonly ClaimStep[],
  programs: Programs,
): Promise<Outcome> {
  const random = createRandom(`${schedule.backend} ${schedule.seed} claims`);
  const world = createWorld(random);
  const notes: Note[] = [];
  const note = (who: string, what: string): void => void notes.push({ at: world.now, who, what });
  const now = (): number => world.now;
  const network = createNetwork(world, random.fork('network'), schedule.network);
  const model = models[schedule.backend];
  const faults = schedule.faults.filter(isPlayed);
  const mayRefuse = model.mayRefuseFreeKey?.(schedule.options) ?? false;
  const isCalm = ['redis', 'postgres'].includes(schedule.backend) && faults.length === 0 && !mayRefuse;
  // Who cannot ask all nodes may not learn how the key is used.
  const seesAll = schedule.backend !== 'redlock';
  const oracle = createClaimOracle(now, note, isCalm, seesAll);
  const stage = { world, network, schedule, programs, note, fail: oracle.fail, excuseHolds() {}, freedByForce() {} };
  const backend = model.create(stage);
  const machines = schedule.clients.map((terms, i) => createMachine(world, `process ${i + 1}`, terms, terms.originMs));
  const onUnhandled = (error: unknown): void => oracle.fail('unhandled rejection', String(error));
  process.on('unhandledRejection', onUnhandled);

  const tellsWithinMs = model.tellsWithinMs?.(schedule.options) ?? Number.POSITIVE_INFINITY;
  const checkTold: Player['checkTold'] = ({ id, key }, owner) => {
    const lateMs = now() - (backend.heldSince?.(key, owner) ?? now());
    if (isCalm && schedule.network.slowRate === 0 && lateMs > tellsWithinMs + 10 * schedule.network.mostMs)
      oracle.fail('waits while the key is free', `#${id} heard of its grant ${Math.round(lateMs)} ms after it`);
  };
  const players = machines.map((machine, index): Player => {
    const environment = createEnvironment(machine, {});
    environment.net = createNet(network, index, environment);
    for (const name of model.imports ?? []) environment.modules.set(name, programs.library(name, environment));
    const shipped = programs.shipped(environment);
    const adapter = backend.connect({ index, machine, environment, shipped })();
    const operator = (): LockAdapter => players[(index + 1) % players.length]!.adapter;
    return { adapter, operator, machine, oracle, checkTold, now, note: (what) => note(machine.name, what) };
  });
  for (const step of steps) {
    const player = players[step.client]!;
    world.at(step.at, () => player.machine.receive(() => void play(player, step)));
  }
  for (const fault of faults) {
    world.at(fault.at, () => {
      note('fault', describeFault(fault));
      strike(fault, world, network, machines, backend);
    });
  }

  const hasFailed = (): boolean => oracle.failures.length > 0 || world.steps > mostSteps;
  const runUntil = (isOver: () => boolean): Promise<void> => world.run(() => hasFailed() || isOver(), oracle.sample);
  const isSettled = (): boolean =>
    oracle.tasks.length >= steps.filter(({ client }) => machines[client]!.state !== 'crashed').length &&
    oracle.tasks.every(({ phase, machine }) => phase === 'over' || machine.state === 'crashed');
  try {
    const ends = faults.map((fault) => fault.at + ('ms' in fault && fault.kind !== 'step-wall' ? fault.ms : 0));
    const calmAt = Math.max(0, ...steps.map(({ at }) => at), ...ends) + 50;
    const works = steps.reduce((sum, { workMs }) => sum + workMs, 0);
    const leaseMs = Math.max(0, ...steps.map(({ renewsForMs }) => renewsForMs)) + 10_000;
    const patienceUntil = calmAt + 60_000 + works + 2 * leaseMs;
    // What is still on its way when its asker has gone may hold the key for a lease.
    const strayMs = (): number =>
      machines.some(({ state }) => state === 'crashed') || oracle.tasks.some(({ asking }) => asking > 0) ? leaseMs : 0;
    const limitMs = 6_000 + model.slowestHintMs + (schedule.network.slowRate > 0 ? 20_000 : 0);
    const tick = (): void => {
      if (!mayRefuse) oracle.look(limitMs + strayMs());
      if (world.now < patienceUntil) world.after(250, tick);
    };
    world.at(calmAt, () => {
      note('calm', 'nothing goes wrong from here on');
      backend.heal();
      network.heal();
      tick();
    });
    world.at(patienceUntil + 1, () => {});
    await runUntil(() => world.now > calmAt && (isSettled() || world.now > patienceUntil));
    if (!hasFailed() && !isSettled()) {
      const open = oracle.tasks.filter(({ phase, machine }) => phase !== 'over' && machine.state !== 'crashed');
      oracle.fail('never settles', open.map(({ step, phase }) => `#${step.id} is ${phase}`).join(', '));
    }
    if (!hasFailed() && faults.length === 0) await lookForStrays();
    let open = 0;
    for (const { adapter, machine } of players) {
      if (machine.state !== 'running') continue;
      open += 1;
      machine.receive(
        () =>
          void Promise.resolve(adapter.close?.()).finally(() => {
            open -= 1;
          }),
      );
    }
    const overAt = world.now + leaseMs + 20_000;
    world.at(overAt, () => {});
    await runUntil(() => world.now >= overAt || (open === 0 && backend.leftovers().length === 0));
    if (!hasFailed() && backend.leftovers().length > 0) oracle.fail('left behind', backend.leftovers().join(', '));
  } finally {
    process.off('unhandledRejection', onUnhandled);
    for (const machine of [...machines, ...network.hosts.map((host) => host.machine)]) machine.crash();
  }
  /** Whoever was refused or has released leaves no vote at any server. */
  async function lookForStrays(): Promise<void> {
    const until = world.now + 2_000;
    world.at(until, () => {});
    await runUntil(() => world.now >= until);
    for (const stray of hasFailed() ? [] : (backend.strays?.() ?? []))
      oracle.fail('held by nobody', `${stray} is still there, though nobody asks any more`);
  }

  return {
    failures: oracle.failures,
    notes,
    fingerprint: fingerprint(notes),
    steps: world.steps,
    virtualMs: world.now,
    grants: oracle.tasks.filter(({ grantedAt }) => grantedAt !== undefined).length,
  };
}
