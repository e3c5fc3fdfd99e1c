import type { AcquireAttempt, AcquireOutcome, Granted } from '@holdfast/lock-core';
import { claimWords, isAmongOthers, otherUse } from './claim.ts';
import { corruptFence, foreignKey, unknownOutcome } from './errors.ts';
import type { LockKeys } from './keys.ts';
import { release } from './release.ts';
import { type AcquireReply, readAcquireReply } from './replies.ts';
import { channelOf, keysOfScript, type RedisLockState, runLockScript } from './requests.ts';
import { scripts } from './scripts.ts';

/** A place in the queue: kept by its ticket, and worth asking for again when the lease of the holder is over. */
export interface Queued {
  readonly status: 'queued';
  readonly ticket: string;
  readonly remainingMs: number;
}

/** While a slot is being moved Redis answers and does nothing: the lock is busy, and worth another request soon. */
const slotMoves: AcquireOutcome = { status: 'busy', retryAfterMs: 100 };

/** Asks once for the lock. */
export function acquireOnce(state: RedisLockState, attempt: AcquireAttempt, keys: LockKeys): Promise<AcquireOutcome> {
  return ask(state, attempt, keys, '') as Promise<AcquireOutcome>;
}

/** Asks for the lock, or for a place in its queue: `place` is empty for no place, `0` for a new one, else its ticket. */
export function ask(
  state: RedisLockState,
  attempt: AcquireAttempt,
  keys: LockKeys,
  place: string,
): Promise<AcquireOutcome | Queued> {
  const { client, publish } = state;
  const { key, owner, ttlMs, tokens, claim } = attempt;
  const { resends } = client;
  const command = keysOfScript(state, scripts.acquire, keys);
  command.push(owner, String(ttlMs));
  const amongOthers = isAmongOthers(claim);
  const isUsual = tokens === 1 && place === '' && publish === 'PUBLISH' && !amongOthers;
  if (!isUsual) command.push(String(tokens), place, publish);
  if (amongOthers) command.push(...claimWords(claim));
  const target = { key: keys.lock, name: key, acquires: owner };
  return runLockScript<AcquireOutcome | Queued>(
    state,
    scripts.acquire,
    command,
    target,
    (raw) => {
      if (client.resends !== resends) throw sentAgain(state, attempt);
      return outcomeOf(state, attempt, keys, readAcquireReply(raw, client.name, key));
    },
    // Two nodes have the keys, or none has all: an exclusive lock can be had without the queue.
    () => (amongOthers ? slotMoves : askPastQueue(state, attempt, keys)),
  );
}

function askPastQueue(
  state: RedisLockState,
  attempt: AcquireAttempt,
  keys: LockKeys,
): Promise<AcquireOutcome | Queued> {
  const { client, publish, settings } = state;
  const { key, owner, ttlMs, tokens } = attempt;
  const { resends } = client;
  const part = settings.fencing ? ['2', keys.lock, keys.fence] : ['1', keys.lock];
  const command = [scripts.acquire.sha, ...part, owner, String(ttlMs), String(tokens), '', publish];
  return runLockScript<AcquireOutcome | Queued>(
    state,
    scripts.acquire,
    command,
    { key: keys.lock, name: key, acquires: owner },
    (raw) => {
      if (client.resends !== resends) throw sentAgain(state, attempt);
      return outcomeOf(state, attempt, keys, readAcquireReply(raw, client.name, key));
    },
    () => slotMoves,
  );
}

/** What a reply to a request means for it. Throws for a definite refusal. */
export function outcomeOf(
  state: RedisLockState,
  { key, claim, ttlMs }: AcquireAttempt,
  keys: LockKeys,
  reply: AcquireReply,
): AcquireOutcome | Queued {
  const { client, settings } = state;
  switch (reply.kind) {
    case 'granted':
      if (!settings.fencing) return { status: 'granted', validForMs: ttlMs };
      return grantedWith(reply.last, reply.count, ttlMs);
    case 'busy':
      return { status: 'busy', retryAfterMs: reply.remainingMs >= 0 ? reply.remainingMs : undefined };
    case 'queued':
      return { status: 'queued', ticket: reply.ticket, remainingMs: reply.remainingMs };
    case 'foreign':
      throw foreignKey(key, channelOf(state, keys), client.name);
    case 'fence':
      throw corruptFence(key, client.keyPrefix + keys.fence, client.name);
    case 'other use':
      throw otherUse(claim, reply.limit, key, client.name);
  }
}

const grantedWith = (last: string, count: number, validForMs: number): Granted => ({
  status: 'granted',
  fencingToken: firstToken(last, count),
  tokens: count,
  validForMs,
});

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
