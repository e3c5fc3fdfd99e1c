import { type AcquireAttempt, type Granted, LockError } from '@holdfast/lock-core';
import { ask } from './acquire.ts';
import { type Asking, beatMs, end, now, type Place, plan, type Waiting, wait } from './place.ts';
import { beat } from './place-beats.ts';
import { askFor, claim, isQueued, leave, releaseAgain } from './place-claims.ts';
import type { Connect, Places } from './queue-places.ts';
import { grantedOwners } from './replies.ts';
import { channelOf, type RedisLockState } from './requests.ts';

const { clearTimeout: stopTimer } = globalThis;

/**
 * The queue of the server, as this process sees it. A place is taken by a first request; then a message says that the lock was
 * granted, for a reservation, and a claim makes the lease of it. About once a second one call keeps all places of the process,
 * restores those that the server has lost, and finds out what a lost message would have said.
 */
export function openPlaces(state: RedisLockState): Places {
  const waiting: Waiting = {
    state,
    byOwner: new Map(),
    lines: new Map(),
    asking: new Map(),
    beat: () => beat(waiting),
    timer: undefined,
    timerAt: 0,
    closed: false,
  };
  const granted = (owner: string): void => {
    const place = waiting.byOwner.get(owner);
    if (place !== undefined) return claim(waiting, place);
    const asking = waiting.asking.get(owner);
    if (asking !== undefined) asking.isGranted = true;
  };
  return {
    enqueue: (attempt, signal, connect) => enqueue(waiting, attempt, signal, connect),
    granted,
    withdraw(owner) {
      const asking = waiting.asking.get(owner);
      if (asking !== undefined) {
        asking.isWithdrawn = true;
        waiting.asking.delete(owner); // a later call of this owner is another matter
      }
      if (waiting.byOwner.size === 0) return;
      const place = waiting.byOwner.get(owner);
      if (place === undefined || place.done) return;
      const { key } = place.attempt;
      place.isWithdrawn = true;
      place.settle(undefined, releasedError(state.client.name, key));
    },
    areKnown: (channel) => waiting.lines.size > 0 && waiting.lines.has(channel),
    message(channel, text) {
      if (waiting.lines.has(channel)) for (const owner of grantedOwners(text)) granted(owner);
    },
    standing(channel) {
      const at = now();
      for (const place of waiting.lines.get(channel)?.places ?? []) place.beatAt = at;
      plan(waiting, at);
    },
    close: () => close(waiting),
  };
}

function enqueue(waiting: Waiting, attempt: AcquireAttempt, signal: AbortSignal, connect: Connect): Promise<Granted> {
  const { state } = waiting;
  if (waiting.closed) return Promise.reject(closedError());
  if (signal.aborted) return Promise.reject(signal.reason);
  const known = waiting.byOwner.get(attempt.owner);
  if (known !== undefined) return join(waiting, known, attempt, signal);
  let begin = (): void => {};
  const ready = connect(() => begin());
  if (ready === undefined && state.settings.waitReplicas === 0) return enqueueAtOnce(waiting, attempt, signal);
  return takePlace(waiting, attempt, signal, now(), (place, sent) => {
    begin = (): void => {
      if (place.done) return;
      sent();
      askFor(waiting, place);
    };
    if (ready === undefined) begin();
    else ready.catch((error: unknown) => place.done || place.settle(undefined, error));
  });
}

/** The usual lock is free, so nothing is made for a place before the server has given one. */
function enqueueAtOnce(waiting: Waiting, attempt: AcquireAttempt, signal: AbortSignal): Promise<Granted> {
  const { state } = waiting;
  const { owner } = attempt;
  const calledAt = now();
  const asking = waiting.asking.get(owner) ?? { requests: 0, isGranted: false, isWithdrawn: false };
  asking.requests += 1;
  waiting.asking.set(owner, asking);
  return ask(state, attempt, state.keysOf(attempt.key), '0').then(
    (outcome) => {
      answered(waiting, owner, asking);
      if (asking.isWithdrawn) {
        const error = releasedError(state.client.name, attempt.key);
        return releaseAgain(state, attempt).then(() => Promise.reject(error));
      }
      if (outcome.status === 'granted') return outcome;
      if (waiting.closed) throw closedError();
      const known = waiting.byOwner.get(owner);
      if (known !== undefined) return join(waiting, known, attempt, signal);
      return takePlace(waiting, attempt, signal, calledAt, (place, sent) => {
        sent();
        if (outcome.status === 'queued') isQueued(waiting, place, outcome, calledAt);
        else wait(waiting, place, outcome.retryAfterMs ?? beatMs);
        if (asking.isGranted) claim(waiting, place);
      });
    },
    (error: unknown) => {
      answered(waiting, owner, asking);
      throw error;
    },
  );
}

function answered(waiting: Waiting, owner: string, asking: Asking): void {
  asking.requests -= 1;
  if (asking.requests === 0 && waiting.asking.get(owner) === asking) waiting.asking.delete(owner);
}

/** Makes a place; `begin` is told how to say that the server may have something of it. */
function takePlace(
  waiting: Waiting,
  attempt: AcquireAttempt,
  signal: AbortSignal,
  calledAt: number,
  begin: (place: Place, sent: () => void) => void,
): Promise<Granted> {
  const { state } = waiting;
  const keys = state.keysOf(attempt.key);
  const granted = new Promise<Granted>((resolve, reject) => {
    let sent = false;
    const onAbort = (): void => {
      if (place.done && !place.isGone) return;
      if (sent && !place.isGone) void leave(waiting, place, signal.reason);
      else place.settle(undefined, signal.reason);
    };
    const place: Place = {
      attempt,
      granted: () => granted,
      whenQueued: [],
      keys,
      channel: channelOf(state, keys),
      calledAt,
      ticket: '0',
      answeredAt: calledAt,
      beatAt: Number.POSITIVE_INFINITY,
      beating: undefined,
      asking: 0,
      claimAgain: false,
      done: false,
      isGone: false,
      isWithdrawn: false,
      settle(outcome, error) {
        end(waiting, place);
        signal.removeEventListener('abort', onAbort);
        if (outcome !== undefined) resolve(outcome);
        else reject(error);
      },
    };
    waiting.byOwner.set(attempt.owner, place);
    signal.addEventListener('abort', onAbort, { once: true });
    begin(place, () => {
      sent = true;
    });
    if (signal.aborted) onAbort();
  });
  return granted;
}

/** An owner has one place, however often it asks for one (H64): it is told what the first call is told. */
async function join(waiting: Waiting, place: Place, attempt: AcquireAttempt, signal: AbortSignal): Promise<Granted> {
  const laterMs = now() - place.calledAt;
  const onAbort = (): void => {
    if (!place.done) void leave(waiting, place, signal.reason);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  if (place.ticket === '0') place.whenQueued.push(() => attempt.onQueued?.());
  else attempt.onQueued?.();
  try {
    const granted = await place.granted();
    return { ...granted, validForMs: granted.validForMs - laterMs };
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

const releasedError = (client: string, key: string): LockError =>
  new LockError('LOCK_BACKEND', `The place in the queue of Redis (${client}) was given up: its owner was released.`, {
    key,
  });

const closedError = (): LockError => new LockError('LOCK_CLOSED', 'The adapter was closed while waiting for a lock.');

function close(waiting: Waiting): void {
  waiting.closed = true;
  stopTimer(waiting.timer);
  for (const place of [...waiting.byOwner.values()]) place.settle(undefined, closedError());
  for (const line of waiting.lines.values()) {
    stopTimer(line.idle);
    line.listening.abort();
  }
  waiting.lines.clear();
}
