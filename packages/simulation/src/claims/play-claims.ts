import type { AcquireOutcome, LockAdapter, RenewOutcome } from '@holdfast/lock-core';
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
import { asksOnce, newOwner, type Player, poll, sleep } from './ask.ts';
import { type ClaimTask, createClaimOracle, describe } from './claim-oracle.ts';

/** What takes holds away that nobody could keep, as those who play claims are not told. */
const forgets: ReadonlySet<string> = new Set([
  ...['restart without data', 'failover', 'restart empty', 'restart with an old snapshot', 'clock step'],
  'wall clock far off',
]);

// A sleep of the machine, and servers that forget, are what core and the operator have to deal with.
const isPlayed = (fault: Fault): boolean =>
  fault.kind !== 'suspend' && !(fault.kind === 'server' && forgets.has(fault.name));

const mostSteps = 60_000;
const pauseMs = 300;

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
    const leaseMs = Math.max(0, ...steps.map(({ ttlMs }) => ttlMs)) + 10_000;
    const patienceUntil = calmAt + 60_000 + works + 2 * leaseMs;
    const limitMs = 6_000 + model.slowestHintMs + (schedule.network.slowRate > 0 ? 20_000 : 0);
    const tick = (): void => {
      if (!mayRefuse) oracle.look(limitMs + leaseMs * Number(machines.some(({ state }) => state === 'crashed')));
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

/** One request from its call to the answer to its release. */
async function play(player: Player, step: ClaimStep): Promise<void> {
  const { adapter, machine, oracle, now, note } = player;
  const owner = newOwner(machine);
  const { key, claim, ttlMs, tokens } = step;
  const calledAt = machine.now();
  const rest = { phase: 'asking', grantedAt: undefined, token: undefined, deadline: 0, freeSince: undefined } as const;
  const force = { asking: 0, forcing: false, forcedAt: undefined };
  const task: ClaimTask = { step, machine, owner, calledAt, askedAt: now(), claim, ...rest, ...force };
  oracle.tasks.push(task);
  note(`#${step.id} ${step.waits ? 'queues' : 'asks'} for ${key}, ${describe(claim)}, by ${owner.slice(0, 6)}`);
  const abort = new AbortController();
  const open: Promise<AcquireOutcome>[] = [];
  if (step.abortMs !== undefined) machine.later(step.abortMs, () => abort.abort(new Error('gave up')));
  const onQueued = (): void => {
    task.queuedAt ??= now();
    if (task.phase === 'asking') task.phase = 'queued';
  };
  const attempt = { key, owner, ttlMs, tokens, claim, signal: abort.signal, onQueued };
  try {
    const outcome: AcquireOutcome = !step.waits
      ? await asksOnce(player, step, () => {
          const answer = adapter.tryAcquire(attempt);
          open.push(answer);
          task.asking += 1;
          answer.then(
            () => {
              task.asking -= 1;
            },
            () => {}, // it may still arrive
          );
          return answer;
        })
      : adapter.enqueue
        ? await adapter.enqueue(attempt, abort.signal)
        : await poll(player, task, attempt);
    if (outcome.status === 'busy') {
      oracle.busy(task);
      note(`#${step.id} is busy`);
      task.phase = 'over';
      return;
    }
    hold(task, outcome.validForMs, task.calledAt);
    if (machine.now() < task.deadline) {
      note(`#${step.id} holds ${key}, token ${outcome.fencingToken}`);
      oracle.granted(task, outcome.fencingToken, outcome.tokens ?? 1);
      player.checkTold(step, owner);
      if (step.forcedAfterMs !== undefined) machine.later(step.forcedAfterMs, () => void forceOut(player, task));
      await work(player, task);
    }
  } catch (error) {
    note(`#${step.id}: ${error instanceof Error ? error.message : String(error)}`);
    if ((error as { code?: unknown }).code === 'LOCK_INVALID_ARGUMENT') {
      task.phase = 'over';
      return;
    }
  }
  task.phase = 'leaving';
  // What is still on its way could arrive behind the release.
  await Promise.allSettled(open);
  await release(player, task);
}

/** Core's margin for the drift of clocks. */
function hold(task: ClaimTask, validForMs: number, calledAt: number): void {
  task.deadline = calledAt + validForMs * 0.99 - 2;
}

/** Holds on for as long as there is work, with renewals; ends early when the hold is lost. */
async function work({ adapter, machine, oracle, note }: Player, task: ClaimTask): Promise<void> {
  const { step, owner } = task;
  const { key, ttlMs, workMs, downgradesAfter, overstaysMs } = step;
  const startedAt = machine.now();
  if (overstaysMs !== undefined) {
    const leftMs = task.deadline - startedAt;
    return sleep(machine, workMs < leftMs ? workMs : leftMs + overstaysMs);
  }
  const downgradeAt =
    step.claim.mode === 'exclusive' && downgradesAfter !== undefined ? downgradesAfter * workMs : undefined;
  for (;;) {
    const doneMs = machine.now() - startedAt;
    const isDue = downgradeAt !== undefined && doneMs >= downgradeAt && task.claim.mode === 'exclusive';
    const calledAt = machine.now();
    if (calledAt >= task.deadline) return;
    if (!isDue) {
      if (doneMs >= workMs) return;
      const untilMs = task.claim.mode === 'exclusive' && downgradeAt !== undefined ? downgradeAt : workMs;
      await sleep(machine, Math.min(untilMs - doneMs + 1, Math.max(1, (task.deadline - calledAt) / 3)));
    }
    // From the call on, others may share it.
    if (isDue) task.claim = { mode: 'shared' };
    const askedAt = machine.now();
    const { forcedAt } = task;
    const request = { key, owner, claim: task.claim };
    try {
      const outcome: RenewOutcome = isDue
        ? await adapter.downgrade!(request, ttlMs)
        : await adapter.renew(request, ttlMs);
      if (isDue) note(`#${step.id} is shared: ${outcome.status}`);
      if (outcome.status === 'lost') return;
      if (forcedAt !== undefined)
        oracle.fail('wrong answer', `#${step.id} is told that it still holds after it was forced out`);
      hold(task, outcome.validForMs, askedAt);
    } catch {
      await sleep(machine, 10);
    }
  }
}

async function release({ adapter, machine, note }: Player, task: ClaimTask): Promise<void> {
  const { step, owner, claim } = task;
  note(`#${step.id} releases ${step.key}`);
  for (;;) {
    try {
      await adapter.release({ key: step.key, owner, claim });
      task.phase = 'over';
      return;
    } catch {
      await sleep(machine, pauseMs);
    }
  }
}

/** Another process frees the key from this holder. */
async function forceOut({ operator, note, now }: Player, task: ClaimTask): Promise<void> {
  const { step, owner } = task;
  if (task.phase !== 'held') return;
  task.forcing = true;
  const mayAskAgain = task.asking > 0;
  note(`#${step.id} is forced out`);
  const force = operator().forceRelease as (key: string, owner: string) => Promise<boolean>;
  const isDone = await force(step.key, owner).catch(() => false);
  if (isDone && !mayAskAgain) task.forcedAt = now();
}
