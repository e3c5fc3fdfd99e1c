import { performance } from 'node:perf_hooks';
import { LockError } from '@holdfast/lock-core';
import type { ClaimWords } from './claim.ts';
import { isTooOld, isTryAgain, notAnswering, notConnected, readable, refusedAgain, wrongServer } from './errors.ts';
import type { LockKeys } from './keys.ts';
import type { RedisLockSettings } from './options.ts';
import type { Places } from './queue-places.ts';
import type { RedisClientBinding } from './redis-client.ts';
import type { ReleaseHints } from './release-hints.ts';
import { isUnknownScript, type LuaScript, leaveReplica, readServerKind, sendSource, wordsOf } from './scripts.ts';

/** One lock adapter over one client: what its operations share. */
export interface RedisLockState {
  readonly client: RedisClientBinding;
  readonly settings: RedisLockSettings;
  readonly keysOf: (name: string) => LockKeys;
  readonly hints: ReleaseHints;
  readonly unanswered: Unanswered;
  readonly sentTwice: SentTwice;
  /** The kinds of claims whose holds the user is known to be allowed to renew and release. */
  readonly allowed: Set<ClaimWords[0]>;
  readonly places: Places;
  /** The command that tells waiters. */
  readonly publish: 'PUBLISH' | 'SPUBLISH';
}

/** The beginning of a command: a script, and the keys of a lock as most scripts want them. */
export function keysOfScript({ settings }: RedisLockState, script: LuaScript, keys: LockKeys): string[] {
  const { lock, queue, places, fence } = keys;
  return settings.fencing ? [script.sha, '4', lock, queue, places, fence] : [script.sha, '3', lock, queue, places];
}

/** The channel on which releases of a lock are published: its key, as the server sees it. */
export const channelOf = ({ client }: RedisLockState, keys: LockKeys): string => client.keyPrefix + keys.lock;

/** One request of the lock protocol, and what its answer means. An object, since functions made for each take longer. */
export interface LockRequest<T> {
  /** Chooses the node of a cluster. */
  readonly key: string | undefined;
  /** The name of the lock, for errors. */
  readonly name: string;
  /** The owner ID, of a request that may be granted a lock. */
  readonly acquires?: string;
  read(reply: unknown): T | Promise<T>;
  /** The answer while Redis says TRYAGAIN, having done nothing; where there is none, the refusal is told. */
  whileSlotMoves?(): T | Promise<T> | undefined;
}

/**
 * Runs a script of the lock protocol, if it can be sent now: nothing is put into the client's queue for a server that is away
 * (H116). A refusal becomes a `LockError`.
 */
export function runLockScript<T>(
  state: RedisLockState,
  script: LuaScript,
  command: readonly string[] | (() => readonly string[]),
  request: LockRequest<T>,
): Promise<T> {
  const { client, unanswered } = state;
  const { key, name } = request;
  const refused = refusedNow(state, key, name);
  if (refused !== undefined) return Promise.reject(refused);
  const { resends } = client;
  const answered = (reply: unknown): T => {
    unanswered.answered();
    return request.read(reply) as T;
  };
  // As in `evalScript`, with two functions fewer for each command.
  const failed = (error: unknown): T => {
    if (isUnknownScript(error)) return sendSource(client, script, wordsOf(command), key, answered, failed) as T;
    leaveReplica(client, error);
    unanswered.answered();
    const again = client.resends !== resends;
    if (request.acquires !== undefined) state.sentTwice.note(request.acquires, error, again);
    const meanwhile = !again && isTryAgain(error) ? request.whileSlotMoves?.() : undefined;
    if (meanwhile !== undefined) return meanwhile as T;
    return explain<T>(client, again ? refusedAgain(readable(error, client.name, name)) : error, name);
  };
  unanswered.sent();
  return client.call('evalsha', wordsOf(command), key).then(answered, failed);
}

/** Why a command cannot be sent now; `undefined` when it can. */
export function refusedNow(
  { client, unanswered }: RedisLockState,
  key: string | undefined,
  name: string,
): Error | undefined {
  const ready = key !== undefined && client.readyFor !== undefined ? client.readyFor(key) : client.ready;
  if (!ready) return notConnected(client.name, name);
  return unanswered.tooMany() ? notAnswering(client.name, unanswered.count, name) : undefined;
}

/** Waits a moment for the connection that an operation on `keys` needs; rejects with the reason when there is none. */
export async function whenConnected(
  { client }: RedisLockState,
  keys: LockKeys,
  name: string,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await client.whenReady(signal, keys.lock);
  } catch (error) {
    // A caller that gave up while waiting has sent nothing either.
    if (signal?.aborted) throw notConnected(client.name, name, error);
    const reason = readable(error, client.name, name);
    // The server's refusal is reported unchanged.
    if (!(reason instanceof LockError)) throw notConnected(client.name, name, error);
    // The client gives all waiters the same error; each caller gets its own copy, with its key.
    const { code, message, retryable } = reason;
    throw new LockError(code, message, { key: name, retryable, notSent: true });
  }
}

/** Rejects with a readable error; when the server does not know a command of the script, with the server's version. */
function explain<T>(client: RedisClientBinding, error: unknown, name: string): T {
  const reason = readable(error, client.name, name);
  if (!isTooOld(reason)) throw reason;
  return readServerKind(client).then((server) => {
    throw wrongServer(reason as LockError, server, client.name);
  }) as T;
}

/** How many commands may be without an answer before the silence is looked at. */
const manyUnanswered = 512;
/** For how long a connection may be silent then. */
const longestSilenceMs = 1_000;

/**
 * The commands that have no answer yet. A connection that is cut without a sign takes commands for minutes, and the client
 * keeps each of them (H116).
 */
export interface Unanswered {
  readonly count: number;
  sent(): void;
  answered(): void;
  /** True while many are without an answer, and none came for a second. */
  tooMany(): boolean;
}

/** Counts the unanswered commands of one adapter. */
export function countUnanswered(): Unanswered {
  let count = 0;
  let heard = true;
  let unansweredSince = 0;
  return {
    get count() {
      return count;
    },
    sent() {
      count += 1;
    },
    answered() {
      count -= 1;
      heard = true;
    },
    tooMany() {
      if (count < manyUnanswered) return false;
      const now = performance.now();
      if (heard) {
        heard = false;
        unansweredSince = now;
      }
      return now - unansweredSince > longestSilenceMs;
    },
  };
}

// An owner ID in doubt is forgotten with its release, so only those that are never released add up.
const mostInDoubt = 4_096;

/**
 * Owner IDs whose acquire may have been sent twice, by a client that sends again what was under way when its connection broke.
 * The answer `released` may be to one of the two, while the other is still to come: it would hold the lock with nobody to
 * release it (H64, H125).
 */
export interface SentTwice {
  /** An acquire of this owner ID has failed; `again` says that the client has sent it twice. */
  note(owner: string, error: unknown, again: boolean): void;
  /** Whether the owner ID is in doubt; asked once, it is no longer. */
  take(owner: string): boolean;
}

/** Remembers the owner IDs in doubt of one adapter. */
export function ownersInDoubt(): SentTwice {
  const owners = new Set<string>();
  return {
    note(owner, error, again) {
      // ioredis keeps what its own time-out has ended, and sends it again like the rest.
      if (!again && !(error instanceof Error && error.message === 'Command timed out')) return;
      owners.add(owner);
      if (owners.size > mostInDoubt) for (const oldest of owners) return void owners.delete(oldest);
    },
    take: (owner) => owners.size > 0 && owners.delete(owner),
  };
}
