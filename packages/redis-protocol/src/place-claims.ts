import type { AcquireAttempt, Granted } from '@holdfast/lock-core';
import { ask, type Queued } from './acquire.ts';
import { afterSending, isAnswer, refusedAgain, slotMoving, unknownOutcome, wasNotSent } from './errors.ts';
import { beatMs, end, isDefinite, listen, now, type Place, soonestBeatMs, type Waiting, wait } from './place.ts';
import { release } from './release.ts';
import { waitForReplicas } from './replica-acknowledgement.ts';
import type { RedisLockState } from './requests.ts';

const { setTimeout: startTimer } = globalThis;

/** Sends a request for the whole lease: the first one, or the claim of what was granted. */
export function askFor(waiting: Waiting, place: Place): void {
  const { state } = waiting;
  const sentAt = now();
  const isFirst = place.ticket === '0';
  const { resends } = state.client;
  const connection = state.client.connectionOf?.(place.keys.lock);
  place.asking += 1;
  ask(state, place.attempt, place.keys, place.ticket).then(
    async (outcome) => {
      if (place.isWithdrawn) return releaseAgain(state, place.attempt);
      if (outcome.status === 'granted' && !place.done) await confirm(waiting, place, outcome, sentAt, connection);
      place.asking -= 1;
      if (place.done || outcome.status === 'granted') return;
      if (outcome.status === 'queued') isQueued(waiting, place, outcome, sentAt);
      else slotMoves(waiting, place, outcome.retryAfterMs ?? beatMs, sentAt);
      if (place.claimAgain) claim(waiting, place);
    },
    (error: unknown) => {
      place.asking -= 1;
      if (place.done) return;
      if (isFirst) return place.settle(undefined, error);
      const again = refusedAgain(afterSending(error, 'the lock was claimed', state.client.name, place.attempt.key));
      // It may arrive behind the release of what the server has granted: core cleans up after this owner, and asks under another (H64).
      const mayArrive = !wasNotSent(error) && !(isAnswer(error) && state.client.resends === resends);
      if (isDefinite(again) || mayArrive) return place.settle(undefined, again);
      // The place, and the grant, are still there.
      wait(waiting, place, 4 * soonestBeatMs);
    },
  );
}

/**
 * Frees what a request has got that arrived behind the release of its owner: it was redirected, or sent again to a server that did
 * not know the script.
 */
export async function releaseAgain(state: RedisLockState, { key, owner }: AcquireAttempt): Promise<void> {
  await release(state, { key, owner }).catch(() => {}); // unknown in any case
}

/** With `waitReplicas`, a grant counts when enough replicas have it. One that too few have is taken back, as a busy lock. */
async function confirm(
  waiting: Waiting,
  place: Place,
  granted: Granted,
  sentAt: number,
  connection: string | undefined,
): Promise<void> {
  const { attempt, calledAt } = place;
  const outcome = { ...granted, validForMs: sentAt - calledAt + attempt.ttlMs };
  if (waiting.state.settings.waitReplicas === 0) return place.settle(outcome);
  const failure = await waitForReplicas(waiting.state, attempt, place.keys, connection);
  if (place.done) return;
  if (failure === undefined) place.settle(outcome);
  else if (wasNotSent(failure)) rest(waiting, place, failure, beatMs);
  else place.settle(undefined, failure);
}

/** Waits like one that finds the lock busy. Then core asks again, under another owner ID, for as long as its caller waits. */
function rest(waiting: Waiting, place: Place, failure: unknown, forMs: number): void {
  place.isGone = true;
  end(waiting, place);
  place.attempt.onQueued?.();
  for (const tell of place.whenQueued) tell();
  startTimer(() => place.settle(undefined, failure), forMs).unref();
}

/** Redis answers and does nothing while it moves the slot of the key: that is no silence, however long it takes. */
function slotMoves(waiting: Waiting, place: Place, retryAfterMs: number, sentAt: number): void {
  place.answeredAt = sentAt;
  if (place.ticket !== '0') return wait(waiting, place, retryAfterMs);
  rest(waiting, place, slotMoving(waiting.state.client.name, place.attempt.key), retryAfterMs);
}

/** The server has the place. */
export function isQueued(waiting: Waiting, place: Place, { ticket, remainingMs }: Queued, sentAt: number): void {
  const isNew = place.ticket === '0';
  place.ticket = ticket;
  place.answeredAt = sentAt;
  if (isNew) {
    listen(waiting, place);
    place.attempt.onQueued?.();
    for (const tell of place.whenQueued) tell();
  }
  if (!place.done) wait(waiting, place, remainingMs > 0 ? remainingMs + 2 : beatMs);
}

/** Claims what the server has granted. */
export function claim(waiting: Waiting, place: Place): void {
  if (place.done) return;
  place.claimAgain = place.asking > 0;
  if (!place.claimAgain) askFor(waiting, place);
}

/** Withdraws a place; where a request may still arrive behind that, what comes of it is unknown. */
export async function leave(waiting: Waiting, place: Place, reason: unknown): Promise<void> {
  const { state } = waiting;
  const { key, owner } = place.attempt;
  const isCertain = place.asking === 0;
  place.done = true;
  end(waiting, place);
  const unknown = unknownOutcome('the place in the queue was withdrawn', state.client.name, key);
  // A server that does not know its script is sent a beat again, which would restore the place behind the release.
  if (place.beating !== undefined) await place.beating;
  try {
    await release(state, { key, owner });
    place.settle(undefined, isCertain ? reason : unknown);
  } catch (error) {
    place.settle(undefined, refusedAgain(afterSending(error, 'the place was withdrawn', state.client.name, key)));
  }
}
