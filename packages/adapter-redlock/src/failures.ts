import { type Claim, isLockError, LockError } from '@holdfast/lock-core';
import type { GrantOutcome } from './protocol/acquire.ts';
import type { OtherUse } from './protocol/node.ts';
import { highestLimit, soundQuorum } from './protocol/quorum-size.ts';

/** How many nodes there are, and how many have to agree. */
export interface NodeCount {
  readonly count: number;
  readonly majority: number;
}

// Refusals that repetition does not change, with the remedy for each. Inside a script, the server words some of them differently.
const refusals: readonly (readonly [RegExp, string])[] = [
  [
    /^(WRONGPASS|NOAUTH|NOPERM)\b|user executing the script|ACL failure in script|unauthenticated (multi)?bulk length/,
    'Check the user name, the password, and the ACL rules for the keys, channels and commands of the locks.',
  ],
  [/^READONLY\b/, 'A node must be a server that takes writes, not a replica.'],
  [/^(MOVED|CROSSSLOT)\b/, 'A node must be a single server, not one of a Redis Cluster.'],
  [/^ERR (unknown command|syntax error)/i, 'Redlock needs Redis 6.2 or later.'],
];

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What the server says for good, and the remedy; `undefined` for anything that may pass. */
function refusalIn(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  for (const [words, remedy] of refusals) {
    if (words.test(error.message)) return `${error.message.replace(/\.?$/, '.')} ${remedy}`;
  }
  // How node-redis says why it could not connect.
  return refusalIn(error.cause);
}

/**
 * An error of one node with its number in front: a definite refusal as a `LockError` that is not retryable, and anything else as
 * an error that means "unknown". Only the server's words are kept, since a client's error may carry the command.
 */
export function nodeError(node: string, error: unknown, key?: string): Error {
  if (error instanceof Error && error.message.startsWith(node)) return error;
  if (isLockError(error)) {
    const { code, retryable } = error;
    return new LockError(code, `${node}: ${error.message}`, { key: error.key ?? key, retryable });
  }
  const refusal = refusalIn(error);
  if (refusal === undefined) return new Error(`${node}: ${messageOf(error)}`);
  return new LockError('LOCK_BACKEND', `${node} refuses: ${refusal}`, { key, retryable: false });
}

/** A key of the lock holds something else: the lock's own (`foreign`), or that of its tokens (`fence`). */
export function foreignData(key: string, redisKey: string, which: 'foreign' | 'fence'): LockError {
  const name = JSON.stringify(redisKey);
  const message =
    which === 'fence'
      ? `key ${name} should hold the fencing tokens of this lock on a majority of the Redlock nodes, but holds something ` +
        'else; it was left untouched and no lock was granted. Find out who writes it, then delete it.'
      : `key ${name} holds data of another type, not a lock, on a majority of the Redlock nodes; it was left untouched. ` +
        'Use another name, or another prefix for all locks.';
  return new LockError('LOCK_FOREIGN_KEY', message, { key });
}

/** A limit for which the quorum that was set is too small: with so few votes each, more permits than that could be had. */
export function unsoundLimit(key: string, count: number, quorum: number, limit: number): LockError | undefined {
  const highest = highestLimit(count, quorum);
  if (limit <= highest) return undefined;
  const possible = Math.floor((count * limit) / quorum);
  return new LockError(
    'LOCK_INVALID_ARGUMENT',
    `A semaphore with a limit of ${limit} is not safe on ${count} Redlock nodes of which ${quorum} have to grant a permit ` +
      `(permitQuorum): they could grant ${possible} permits, since (${limit} + 1) * ${quorum} is not above ${count} * ${limit}. ` +
      `With ${quorum} nodes, limits up to ${highest} are safe; a limit of ${limit} needs ${soundQuorum(count, limit)} nodes.`,
    { key, retryable: false },
  );
}

/** The key is in use in another way: as the other kind, or with another limit. */
function otherUse(claim: Claim | undefined, { limit }: OtherUse, key: string): LockError {
  const isPermits = claim?.mode === 'permits';
  const wanted = isPermits ? `permits with the limit ${claim.limit}` : `${claim?.mode ?? 'exclusive'} locks`;
  const used = limit === undefined ? 'exclusive or shared locks' : `permits with the limit ${limit}`;
  return new LockError(
    'LOCK_INVALID_ARGUMENT',
    `The key ${JSON.stringify(key)} on Redlock is in use for ${used} on a majority of the nodes, and was asked for ${wanted}. ` +
      'Use one limit, and one kind of lock, for a key.',
    { key, retryable: false },
  );
}

const isRefusal = (error: unknown): error is LockError => isLockError(error) && !error.retryable;

/**
 * The error when too few nodes answered for a majority, or for permits. If refusals alone prevent it, this is the first refusal,
 * not retryable. Otherwise it is retryable, and the outcome is unknown unless no node was asked.
 */
export function noMajority(
  what: string,
  key: string,
  { count, majority }: NodeCount,
  errors: readonly unknown[],
  sent = true,
): LockError {
  const refused = errors.filter(isRefusal);
  if (refused.length > count - majority) {
    const [{ code, message }] = refused as [LockError];
    return new LockError(code, message, { key, retryable: false });
  }
  const known = errors.filter((error) => error !== undefined);
  const reasons = [...new Set(known.map(messageOf))].slice(0, count);
  const because = reasons.length === 0 ? '' : ` (${reasons.join('; ')})`;
  return new LockError(
    'LOCK_BACKEND',
    `Fewer than ${majority} of the ${count} Redlock nodes took part when asked to ${what}${because}. ` +
      `${sent ? 'The outcome is unknown' : 'Nothing was sent'}. Check that the Redis servers are up and reachable.`,
    { key, notSent: !sent },
  );
}

/**
 * The same for a change of a hold. Where a majority refuses, the others may have changed their votes, or may yet: then the refusal says that
 * it may have had an effect (H14).
 */
export function notChanged(
  what: string,
  key: string,
  nodes: NodeCount,
  errors: readonly unknown[],
  sent: boolean,
): LockError {
  const error = noMajority(what, key, nodes, errors, sent);
  const isDefinite = errors.length === nodes.count && errors.every((each) => each === undefined || isRefusal(each));
  if (error.retryable || isDefinite) return error;
  return new LockError(error.code, error.message, { key, retryable: false, notSent: false });
}

/** Why an acquisition has no outcome, as an error. */
export function failedAcquire(
  { why, sent }: Extract<GrantOutcome, { kind: 'failed' }>,
  { key, claim }: { readonly key: string; readonly claim?: Claim | undefined },
  nodes: NodeCount,
): unknown {
  switch (why.kind) {
    case 'no-majority':
      return noMajority('grant the lock', key, nodes, why.errors, sent);
    case 'refused':
      return why.error;
    case 'other-use':
      return otherUse(claim, why.use, key);
    case 'released':
      return new LockError('LOCK_BACKEND', 'The lock was released while it was being acquired.', {
        key,
        notSent: !sent,
      });
    case 'tokens-exhausted':
      return new LockError(
        'LOCK_FOREIGN_KEY',
        `A majority of the Redlock nodes has a fencing token of ${why.highest} for this lock, above which there is no ` +
          'room; no lock was granted. Find out which clock or program wrote it, then delete the fence keys of the lock.',
        { key },
      );
  }
}

/** An answer is missing, or may be of another server. */
export const brokenConnection = (): Error => new Error('the connection broke');
