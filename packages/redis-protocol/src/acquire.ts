import type { AcquireAttempt, AcquireOutcome, Granted } from '@holdfast/lock-core';
import { claimWords, isAmongOthers, otherUse } from './claim.ts';
import { corruptFence, foreignKey, unknownOutcome } from './errors.ts';
import type { LockKeys } from './keys.ts';
import { release } from './release.ts';
import { type AcquireReply, firstToken, readAcquireReply, unexpectedReply } from './replies.ts';
import { channelOf, keysOfScript, type LockRequest, type RedisLockState, runLockScript } from './requests.ts';
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
  const request = new Request(state, attempt, keys);
  const isUsual = place === '' && attempt.tokens === 1 && !isAmongOthers(attempt.claim) && state.allowed.has('x');
  return isUsual ? request.sendUsual() : request.sendAll(place);
}

/** A request for a lock. */
class Request implements LockRequest<AcquireOutcome | Queued> {
  readonly key: string;
  readonly name: string;
  readonly acquires: string;
  private readonly state: RedisLockState;
  private readonly attempt: AcquireAttempt;
  private readonly keys: LockKeys;
  private readonly resends: number;
  private pastQueue = false;

  constructor(state: RedisLockState, attempt: AcquireAttempt, keys: LockKeys) {
    this.key = keys.lock;
    this.name = attempt.key;
    this.acquires = attempt.owner;
    this.state = state;
    this.attempt = attempt;
    this.keys = keys;
    this.resends = state.client.resends;
  }

  /** Asks once for an exclusive lock, and leaves out what only a place or others that wait would need. */
  sendUsual(): Promise<AcquireOutcome | Queued> {
    const { lock, queue, fence } = this.keys;
    const { sha } = scripts.acquire;
    const { owner, ttlMs } = this.attempt;
    const ttl = String(ttlMs);
    // Built in one step: an array that grows is copied.
    return this.send(
      this.state.settings.fencing ? [sha, '3', lock, queue, fence, owner, ttl] : [sha, '2', lock, queue, owner, ttl],
    );
  }

  sendAll(place: string): Promise<AcquireOutcome | Queued> {
    return this.sendWith(keysOfScript(this.state, scripts.acquire, this.keys), place);
  }

  // Two nodes have the keys, or none has all: an exclusive lock can be had without the queue, and no other.
  whileSlotMoves(): AcquireOutcome | Promise<AcquireOutcome | Queued> {
    if (this.pastQueue || isAmongOthers(this.attempt.claim)) return slotMoves;
    this.pastQueue = true;
    const { lock, fence } = this.keys;
    const part = this.state.settings.fencing ? ['2', lock, fence] : ['1', lock];
    return this.sendWith([scripts.acquire.sha, ...part], '');
  }

  private sendWith(command: string[], place: string): Promise<AcquireOutcome | Queued> {
    const { allowed, publish } = this.state;
    const { owner, ttlMs, tokens, claim } = this.attempt;
    const words = claimWords(claim);
    command.push(owner, String(ttlMs), String(tokens), place, publish);
    const isFirst = !allowed.has(words[0]);
    // The first request of its kind tries the rights.
    if (isFirst) command.push(...words, '1');
    else if (isAmongOthers(claim)) command.push(...words);
    return this.send(command);
  }

  private send(command: string[]): Promise<AcquireOutcome | Queued> {
    return runLockScript(this.state, scripts.acquire, command, this);
  }

  read(raw: unknown): AcquireOutcome | Queued | Promise<AcquireOutcome | Queued> {
    const { attempt, keys, state } = this;
    const { allowed, client } = state;
    const [kind] = claimWords(attempt.claim);
    if (!allowed.has(kind)) allowed.add(kind);
    if (client.resends !== this.resends) throw sentAgain(state, attempt);
    const reply = readAcquireReply(raw, client.name, attempt.key);
    if (reply.kind !== 'more') return outcomeOf(state, attempt, keys, reply);
    // Nothing was done, and the caller has given up.
    return attempt.signal.aborted ? { status: 'busy' } : this.sendAll('');
  }
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
    case 'more':
      throw unexpectedReply(reply.kind, 'the acquire script', client.name, key);
    case 'other use':
      throw otherUse(claim, reply.limit, key, client.name);
  }
}

const grantedWith = (last: number, count: number, validForMs: number): Granted => ({
  status: 'granted',
  fencingToken: firstToken(last, count),
  tokens: count,
  validForMs,
});

/**
 * The answer is one to the client's repetition: what it sent first may still arrive, so neither busy nor granted is the end (H14).
 * If the caller gave up long ago, core no longer cleans up after it, so it is released here.
 */
function sentAgain(state: RedisLockState, { key, owner, signal }: AcquireAttempt): Error {
  const unknown = unknownOutcome('the lock was acquired', state.client.name, key);
  state.sentTwice.note(owner, unknown, true);
  if (signal.aborted) release(state, { key, owner }, false).catch(() => {});
  return unknown;
}
