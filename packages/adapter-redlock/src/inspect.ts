import type { KeysPage, LockInfo } from '@holdfast/lock-core';
import { type NodeCount, noMajority } from './failures.ts';
import type { QuorumClock } from './protocol/node.ts';
import type { RedisNode } from './redis-node.ts';

/** The nodes to ask. */
export interface NodeGroup {
  readonly nodes: readonly RedisNode[];
  readonly majority: number;
  readonly nodeTimeoutMs: number;
  readonly clock: QuorumClock;
}

type Answers<T> = { readonly values: readonly T[]; readonly errors: readonly unknown[]; readonly pending: number };

/**
 * Asks each of the nodes, and resolves as soon as `judge` knows enough; `undefined` when all answered or the time is up without
 * that. One that is not connected is given the time to connect, and asked nothing after it.
 */
function gather<T, R>(
  { clock, nodeTimeoutMs }: NodeGroup,
  nodes: readonly RedisNode[],
  question: (node: RedisNode) => Promise<T>,
  judge: (answers: Answers<T>) => R | undefined,
): Promise<{ outcome: R | undefined; errors: readonly unknown[] }> {
  return new Promise((resolve) => {
    const values: T[] = [];
    const errors: unknown[] = [];
    const end = new AbortController();
    let pending = nodes.length;
    const finish = (outcome: R | undefined): void => {
      cancelTimer();
      end.abort(new Error('it is not connected'));
      resolve({ outcome, errors });
    };
    const cancelTimer = clock.after(nodeTimeoutMs, () => finish(undefined));
    const settled = (): void => {
      pending -= 1;
      const outcome = judge({ values, errors, pending });
      if (outcome !== undefined || pending === 0) finish(outcome);
    };
    const ask = async (node: RedisNode): Promise<T> => {
      if (!node.connected) await node.whenReady(end.signal);
      return question(node);
    };
    for (const node of nodes) {
      ask(node).then(
        (value) => {
          values.push(value);
          settled();
        },
        (error: unknown) => {
          errors.push(node.error(error));
          settled();
        },
      );
    }
  });
}

const countOf = ({ nodes, majority }: NodeGroup): NodeCount => ({ count: nodes.length, majority });

// The same renewal reaches the nodes in so many ms. Where it is more, one of them has not had it yet.
const sameLeaseMs = 20;

/** Who has the votes of a majority; `undefined` when nobody has. */
export async function inspectAll(group: NodeGroup, key: string): Promise<LockInfo | undefined> {
  const { majority } = group;
  let known: LockInfo | undefined;
  const { outcome, errors } = await gather(
    group,
    group.nodes,
    (node) => node.single.inspect!(key),
    ({ values, errors: failed, pending }): { info: LockInfo | undefined } | undefined => {
      let most = 0;
      for (const info of values) {
        const same = values.filter((other) => info !== undefined && other?.owner === info.owner);
        most = Math.max(most, same.length);
        if (same.length < majority) continue;
        known = majorityInfo(key, same as LockInfo[], majority);
        // The votes that are still to come may be those that were renewed.
        if (pending === 0 || spreadMs(same as LockInfo[]) <= sameLeaseMs) return { info: known };
        return undefined;
      }
      return most + failed.length + pending < majority ? { info: undefined } : undefined;
    },
  );
  if (outcome === undefined && known !== undefined) return known;
  if (outcome === undefined) throw noMajority('tell who holds the lock', key, countOf(group), errors);
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

/** How far the ends of the votes are apart. */
function spreadMs(votes: readonly LockInfo[]): number {
  const times = votes.map(({ remainingMs }) => remainingMs ?? Number.POSITIVE_INFINITY);
  const [least, most] = [Math.min(...times), Math.max(...times)];
  return least === most ? 0 : most - least;
}

/** Frees every node of the vote that stands there now; whether a majority had one. */
export async function forceReleaseAll(group: NodeGroup, key: string): Promise<boolean> {
  const { majority } = group;
  const { outcome, errors } = await gather(
    group,
    group.nodes,
    (node) => node.forceRelease(key),
    ({ values, errors: failed, pending }): boolean | undefined => {
      const freed = values.filter((wasHeld) => wasHeld).length;
      if (freed >= majority) return true;
      return freed + failed.length + pending < majority ? false : undefined;
    },
  );
  if (outcome === undefined) throw noMajority('force the release of the lock', key, countOf(group), errors);
  return outcome;
}

/**
 * One page of the locks, of one node after the other. What is held has the votes of a majority, so it shows at one of any
 * `enough` nodes; the rest may be away. The cursor is the number of the node, how many were read to their end, and the node's own.
 */
export async function keysOfEnough(group: NodeGroup, cursor: string = '0 0'): Promise<KeysPage> {
  const { nodes, majority } = group;
  const enough = nodes.length - majority + 1;
  const [node = '', done = '', ...rest] = cursor.split(' ');
  const asked = Number(node);
  const read = Number(done);
  const at = rest.length === 0 ? undefined : rest.join(' ');
  const { outcome, errors } = await gather(
    group,
    [nodes[asked]!],
    (one) => one.single.keys!(at),
    ({ values }) => values[0],
  );
  if (outcome?.next !== undefined) return { keys: outcome.keys, next: `${asked} ${read} ${outcome.next}` };
  const away = asked + 1 - read - (outcome === undefined ? 0 : 1);
  if (away > nodes.length - enough) throw noMajority('list the locks', '*', countOf(group), errors);
  const readNow = asked + 1 - away;
  return { keys: outcome?.keys ?? [], next: readNow === enough ? undefined : `${asked + 1} ${readNow}` };
}
