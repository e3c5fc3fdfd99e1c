import { isLockError, type KeysPage, type LockAdapter, type LockInfo } from '@holdfast/lock-core';
import { noMajority } from './failures.ts';
import type { QuorumContext } from './protocol/node.ts';

type Answers<T> = { readonly values: readonly T[]; readonly errors: readonly unknown[]; readonly pending: number };

/** Asks each node, and resolves as soon as `judge` knows enough; `undefined` when all answered or the time is up without that. */
function gather<T, R>(
  { clock, nodeTimeoutMs }: QuorumContext,
  singles: readonly LockAdapter[],
  question: (node: LockAdapter) => Promise<T>,
  judge: (answers: Answers<T>) => R | undefined,
): Promise<{ outcome: R | undefined; errors: readonly unknown[] }> {
  return new Promise((resolve) => {
    const values: T[] = [];
    const errors: unknown[] = [];
    let pending = singles.length;
    const finish = (outcome: R | undefined): void => {
      cancelTimer();
      resolve({ outcome, errors });
    };
    const cancelTimer = clock.after(nodeTimeoutMs, () => finish(undefined));
    const look = (): void => {
      const outcome = judge({ values, errors, pending });
      if (outcome !== undefined || pending === 0) finish(outcome);
    };
    for (const node of singles) {
      question(node).then(
        (value) => {
          pending -= 1;
          values.push(value);
          look();
        },
        (error: unknown) => {
          pending -= 1;
          errors.push(error);
          look();
        },
      );
    }
  });
}

function failure(what: string, key: string, { nodes, majority }: QuorumContext, errors: readonly unknown[]): unknown {
  const definite = errors.filter((error) => isLockError(error) && !error.retryable);
  if (definite.length > nodes.length - majority) return definite[0];
  return noMajority(what, key, { count: nodes.length, majority }, errors);
}

/** Who has the votes of a majority; `undefined` when nobody has. */
export async function inspectAll(
  context: QuorumContext,
  singles: readonly LockAdapter[],
  key: string,
): Promise<LockInfo | undefined> {
  const { majority } = context;
  const { outcome, errors } = await gather(
    context,
    singles,
    (node) => node.inspect!(key),
    ({ values, errors: failed, pending }): { info: LockInfo | undefined } | undefined => {
      let most = 0;
      for (const info of values) {
        const same = values.filter((other) => info !== undefined && other?.owner === info.owner);
        most = Math.max(most, same.length);
        if (same.length >= majority) return { info: majorityInfo(key, same as LockInfo[], majority) };
      }
      return most + failed.length + pending < majority ? { info: undefined } : undefined;
    },
  );
  if (outcome === undefined) throw failure('tell who holds the lock', key, context, errors);
  return outcome.info;
}

function majorityInfo(key: string, votes: readonly LockInfo[], majority: number): LockInfo {
  const vote = /^(.*):(\d+)$/s.exec(votes[0]!.owner);
  // The hold lasts as long as a majority of its votes.
  const byTime = votes.map(({ remainingMs }) => remainingMs ?? Number.POSITIVE_INFINITY).sort((a, b) => b - a);
  const remainingMs = byTime[majority - 1]!;
  return {
    key,
    owner: vote?.[1] ?? votes[0]!.owner,
    remainingMs: remainingMs === Number.POSITIVE_INFINITY ? undefined : remainingMs,
    fencingToken: vote?.[2] === undefined ? undefined : BigInt(vote[2]),
    waiters: undefined,
  };
}

/** Frees every node; whether a majority was held. */
export async function forceReleaseAll(
  context: QuorumContext,
  singles: readonly LockAdapter[],
  key: string,
): Promise<boolean> {
  const { majority } = context;
  const { outcome, errors } = await gather(
    context,
    singles,
    (node) => node.forceRelease!(key),
    ({ values, errors: failed, pending }): boolean | undefined => {
      const freed = values.filter((wasHeld) => wasHeld).length;
      if (freed >= majority) return true;
      return freed + failed.length + pending < majority ? false : undefined;
    },
  );
  if (outcome === undefined) throw failure('force the release of the lock', key, context, errors);
  return outcome;
}

/**
 * One page of the locks, of one node after the other. What is held has the votes of a majority, so it shows at one of any
 * `enough` nodes; the rest may be away. The cursor is the number of the node, how many were read to their end, and the node's own.
 */
export async function keysOfEnough(
  context: QuorumContext,
  singles: readonly LockAdapter[],
  cursor: string = '0 0',
): Promise<KeysPage> {
  const enough = singles.length - context.majority + 1;
  const [node = '', done = '', ...rest] = cursor.split(' ');
  const asked = Number(node);
  const read = Number(done);
  const single = singles[asked]!;
  const at = rest.length === 0 ? undefined : rest.join(' ');
  const { outcome, errors } = await gather(
    context,
    [single],
    () => single.keys!(at),
    ({ values }) => values[0],
  );
  if (outcome?.next !== undefined) return { keys: outcome.keys, next: `${asked} ${read} ${outcome.next}` };
  const away = asked + 1 - read - (outcome === undefined ? 0 : 1);
  if (away > singles.length - enough) throw failure('list the locks', '*', context, errors);
  const readNow = asked + 1 - away;
  return { keys: outcome?.keys ?? [], next: readNow === enough ? undefined : `${asked + 1} ${readNow}` };
}
