import type { AcquireAttempt, AcquireOutcome } from '@holdfast/lock-core';
import {
  afterSending,
  corruptFence,
  foreignKey,
  isTryAgain,
  readable,
  refusedAgain,
  unknownOutcome,
} from './errors.ts';
import type { LockKeys } from './keys.ts';
import { release } from './release.ts';
import { readAcquireReply, textOf, unexpectedReply } from './replies.ts';
import { channelOf, type RedisLockState, refusedNow, runLockScript } from './requests.ts';
import { leaveReplica, scripts } from './scripts.ts';

/** While a slot is being moved Redis answers and does nothing: the lock is busy, and worth another request soon. */
const slotMoves: AcquireOutcome = { status: 'busy', retryAfterMs: 100 };

/** Asks once for the lock: by the bare SET where it does, else by the acquire script. */
export function acquireOnce(state: RedisLockState, attempt: AcquireAttempt, keys: LockKeys): Promise<AcquireOutcome> {
  const { client, settings, unanswered } = state;
  const { key, owner, ttlMs } = attempt;
  if (settings.fencing || attempt.tokens > 1) return acquireByScript(state, attempt, keys);
  const refused = refusedNow(state, keys.lock, key);
  if (refused !== undefined) return Promise.reject(refused);
  const { resends } = client;
  unanswered.sent();
  return client.call('set', [keys.lock, owner, 'NX', 'PX', String(ttlMs)], keys.lock).then(
    (reply) => {
      unanswered.answered();
      if (client.resends !== resends) throw sentAgain(state, attempt);
      // Not set may still mean that this owner has it already (H12).
      if (reply === null || reply === undefined) {
        return acquireByScript(state, attempt, keys).catch((error: unknown) => {
          throw afterSending(error, 'the lock was acquired', client.name, key);
        });
      }
      if (textOf(reply) !== 'OK') throw unexpectedReply(reply, 'SET', client.name, key);
      return { status: 'granted', validForMs: ttlMs };
    },
    (error) => {
      unanswered.answered();
      leaveReplica(client, error);
      state.sentTwice.note(owner, error, client.resends !== resends);
      if (isTryAgain(error) && client.resends === resends) return slotMoves;
      const reason = readable(error, client.name, key);
      throw client.resends === resends ? reason : refusedAgain(reason);
    },
  );
}

function acquireByScript(state: RedisLockState, attempt: AcquireAttempt, keys: LockKeys): Promise<AcquireOutcome> {
  const { client, settings, hints } = state;
  const { key, owner, ttlMs, tokens } = attempt;
  const { resends } = client;
  const command = settings.fencing
    ? [scripts.acquire.sha, '2', keys.lock, keys.fence, owner, String(ttlMs), String(tokens)]
    : [scripts.acquire.sha, '1', keys.lock, owner, String(ttlMs), String(tokens)];
  // Only a hold with several tokens is handed over inside the process, and asks whether other processes wait.
  if (tokens > 1) command.push(state.countWaiters, hints.own(channelOf(state, keys)) ? '1' : '0');
  const target = { key: keys.lock, name: key, acquires: owner };
  return runLockScript(
    state,
    scripts.acquire,
    command,
    target,
    (raw): AcquireOutcome => {
      if (client.resends !== resends) throw sentAgain(state, attempt);
      const reply = readAcquireReply(raw, client.name, key);
      if (reply.kind === 'busy') {
        return { status: 'busy', retryAfterMs: reply.remainingMs >= 0 ? reply.remainingMs : undefined };
      }
      if (reply.kind === 'foreign') throw foreignKey(key, channelOf(state, keys), client.name);
      if (reply.kind === 'fence') throw corruptFence(key, client.keyPrefix + keys.fence, client.name);
      const { last, count, others } = reply;
      if (!settings.fencing) return { status: 'granted', validForMs: ttlMs, waiting: others };
      return {
        status: 'granted',
        fencingToken: firstToken(last, count),
        tokens: count,
        validForMs: ttlMs,
        waiting: others,
      };
    },
    slotMoves,
  );
}

/**
 * The answer is one to the client's repetition: what it sent first may still arrive, so neither busy nor granted is the end (H14).
 * When nobody has wanted it for long, core looks after it no more, and it is released here.
 */
function sentAgain(state: RedisLockState, { key, owner, signal }: AcquireAttempt): Error {
  const unknown = unknownOutcome('the lock was acquired', state.client.name, key);
  state.sentTwice.note(owner, unknown, true);
  if (signal.aborted) release(state, { key, owner }, false).catch(() => {});
  return unknown;
}

/** The first token of a block. Tokens stay below 2^53, so numbers are exact. */
export function firstToken(last: string, count: number): bigint {
  return BigInt(Number(last) - count + 1);
}
