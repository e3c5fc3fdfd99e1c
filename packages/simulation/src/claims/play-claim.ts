import type { AcquireOutcome, RenewOutcome } from '@holdfast/lock-core';
import type { ClaimStep } from '../schedule/types.ts';
import { asksOnce, newOwner, type Player, poll, sleep } from './ask.ts';
import { type ClaimTask, describe } from './claim-oracle.ts';

const pauseMs = 300;

/** One request from its call to the answer to its release. */
export async function play(player: Player, step: ClaimStep): Promise<void> {
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
  let isGone = false;
  if (step.abortMs !== undefined) machine.later(step.abortMs, () => abort.abort(new Error('gave up')));
  const onQueued = (): void => {
    task.queuedAt ??= now();
    if (task.phase === 'asking') task.phase = 'queued';
  };
  const attempt = { key, owner, ttlMs, tokens, claim, signal: abort.signal, onQueued };
  const ask = (): Promise<AcquireOutcome> => {
    const answer = adapter.tryAcquire({ ...attempt, owner: task.owner });
    open.push(answer);
    task.asking += 1;
    answer.then(
      () => {
        task.asking -= 1;
      },
      () => {}, // it may still arrive
    );
    return answer;
  };
  try {
    const outcome: AcquireOutcome = !step.waits
      ? await asksOnce(player, step, ask)
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
      if (step.asksAgainAfterMs !== undefined)
        machine.later(step.asksAgainAfterMs, () => void askAgain(player, task, ask));
      isGone = await work(player, task);
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
  // As core does: after a definite answer that it is gone, there is nothing to give back.
  if (isGone && task.asking === 0) task.phase = 'over';
  else await release(player, task);
}

/** Who holds, asks again: it has the hold that it had, for no shorter time, whatever it asks for. */
async function askAgain(
  { machine, oracle, note }: Player,
  task: ClaimTask,
  ask: () => Promise<AcquireOutcome>,
): Promise<void> {
  const isHeld = (): boolean => task.phase === 'held' && !task.forcing && machine.now() < task.deadline;
  if (!isHeld()) return;
  note(`#${task.step.id} asks again`);
  const outcome = await ask().catch(() => undefined);
  if (outcome?.status === 'granted' && isHeld() && outcome.fencingToken !== task.token)
    oracle.fail(
      'wrong answer',
      `#${task.step.id} holds with the token ${task.token}, and asked again it has ${outcome.fencingToken}`,
    );
}

/** Core's margin for the drift of clocks. */
function hold(task: ClaimTask, validForMs: number, calledAt: number): void {
  task.deadline = calledAt + validForMs * 0.99 - 2;
}

/** Lets its lease end, or renews for long at the very end of it, when it may be over at some servers; whether that is told. */
async function overstay({ adapter, machine, note }: Player, task: ClaimTask, forMs: number): Promise<boolean> {
  const { step, owner, claim } = task;
  const leftMs = task.deadline - machine.now();
  if (step.workMs < leftMs) return sleep(machine, step.workMs).then(() => false);
  if (step.id % 4 === 0) return sleep(machine, leftMs + forMs).then(() => false);
  // Within the time by which the ways to several servers differ.
  await sleep(machine, task.calledAt + step.ttlMs - machine.now() + machine.random.int(-4, 4));
  const outcome = await adapter
    .renew({ key: step.key, owner, claim }, step.renewsForMs + 20_000)
    .catch(() => undefined);
  note(`#${step.id} renews at the end of its lease: ${outcome?.status ?? 'no answer'}`);
  return outcome?.status === 'lost';
}

/** Holds on for as long as there is work, with renewals; ends early when the hold is lost, and says whether it is told so. */
async function work(player: Player, task: ClaimTask): Promise<boolean> {
  const { adapter, machine, oracle, note } = player;
  const { step, owner } = task;
  const { key, renewsForMs, workMs, downgradesAfter, overstaysMs } = step;
  const startedAt = machine.now();
  if (overstaysMs !== undefined) return overstay(player, task, overstaysMs);
  const downgradeAt =
    step.claim.mode === 'exclusive' && downgradesAfter !== undefined ? downgradesAfter * workMs : undefined;
  for (;;) {
    const doneMs = machine.now() - startedAt;
    const isDue = downgradeAt !== undefined && doneMs >= downgradeAt && task.claim.mode === 'exclusive';
    const calledAt = machine.now();
    if (calledAt >= task.deadline) return false;
    if (!isDue) {
      if (doneMs >= workMs) return false;
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
        ? await adapter.downgrade!(request, renewsForMs)
        : await adapter.renew(request, renewsForMs);
      if (isDue) note(`#${step.id} is shared: ${outcome.status}`);
      if (outcome.status === 'lost') return true;
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
