import { isLockError, type KeysPage, type LockInfo } from '@holdfast/lock-core';
import { brokenConnection, type NodeCount, noMajority } from './failures.ts';
import type { Answer, QuorumClock } from './protocol/node.ts';
import { quorumFor } from './protocol/quorum-size.ts';
import type { RedisNode } from './redis-node.ts';
import type { NodeVote } from './replies.ts';

/** The nodes to ask. */
export interface NodeGroup {
  readonly nodes: readonly RedisNode[];
  readonly majority: number;
  /** How many votes permits need, where that is set. */
  readonly permitQuorum: number | undefined;
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

/** The votes of one owner. */
interface Candidate {
  readonly votes: NodeVote[];
  /** How many make a hold. */
  readonly needed: number;
}

/** Who has enough votes; `undefined` when nobody has. */
export async function inspectAll(group: NodeGroup, key: string): Promise<LockInfo | undefined> {
  let known: LockInfo | undefined;
  const { outcome, errors } = await gather(
    group,
    group.nodes,
    (node) => node.votes(key),
    ({ values, errors: failed, pending }): { info: LockInfo | undefined } | undefined => {
      const unknown = failed.length + pending;
      const candidates = candidatesOf(group, values);
      const holds = candidates.filter(({ votes, needed }) => votes.length >= needed);
      if (holds.length > 0) known = infoOf(group, key, holds);
      const isUndecided = candidates.some(
        ({ votes, needed }) => votes.length < needed && votes.length + unknown >= needed,
      );
      const isAlone = holds[0]?.votes[0]?.mode === 'exclusive';
      if (!isAlone && (isUndecided || unknown >= group.majority)) return undefined;
      // The votes that are still to come may be those that were renewed.
      const isSteady = holds.every(({ votes }) => spreadMs(votes) <= sameLeaseMs);
      return pending === 0 || isSteady ? { info: known } : undefined;
    },
  );
  if (outcome === undefined && known !== undefined) return known;
  if (outcome === undefined) throw noMajority('tell who holds the lock', key, countOf(group), errors);
  return outcome.info;
}

function candidatesOf(group: NodeGroup, answers: readonly (readonly NodeVote[])[]): Candidate[] {
  const byRound = new Map<string, Candidate>();
  for (const vote of answers.flat()) {
    const { owner, first, limit } = vote;
    const id = `${owner}:${first}`;
    const claim = limit === undefined ? undefined : ({ mode: 'permits', permits: 1, limit } as const);
    const candidate = byRound.get(id) ?? { votes: [], needed: quorumFor(group, claim) };
    byRound.set(id, candidate);
    candidate.votes.push(vote);
  }
  return [...byRound.values()];
}

/** What is told of several holders is that of the earliest. */
function infoOf({ nodes, majority }: NodeGroup, key: string, holds: readonly Candidate[]): LockInfo {
  const earliest = holds.reduce((one, other) =>
    (other.votes[0]!.first ?? 0) < (one.votes[0]!.first ?? 0) ? other : one,
  );
  const { votes, needed } = earliest;
  // One that is not downgraded everywhere yet is so all the same.
  const { owner, mode, limit } = votes.find((vote) => vote.mode !== 'exclusive') ?? votes[0]!;
  // The hold lasts as long as enough of its votes.
  const remainingMs = votes.map(endsIn).sort((a, b) => b - a)[needed - 1]!;
  // As the holder itself chose its token.
  const tokens = votes.flatMap(({ token }) => token ?? []).sort((a, b) => b - a);
  const token = tokens[Math.max(0, tokens.length + majority - nodes.length - 1)];
  return {
    key,
    owner,
    remainingMs: remainingMs === Number.POSITIVE_INFINITY ? undefined : remainingMs,
    fencingToken: token === undefined ? undefined : BigInt(token),
    waiters: undefined,
    mode,
    holders: holds.length,
    ...(limit !== undefined && { limit }),
  };
}

const endsIn = ({ remainingMs }: NodeVote): number => remainingMs ?? Number.POSITIVE_INFINITY;

/** How far the ends of the votes are apart. */
function spreadMs(votes: readonly NodeVote[]): number {
  const times = votes.map(endsIn);
  const [least, most] = [Math.min(...times), Math.max(...times)];
  return least === most ? 0 : most - least;
}

/** Withdraws the votes that stand at a node now, whoever has them; whether there were any. */
async function freeNode(node: RedisNode, key: string): Promise<boolean> {
  const votes = await node.votes(key);
  // Each by its owner, so that a request that arrives twice frees nobody else (H112).
  const withdrawn = votes.map(({ owner }) => {
    return new Promise<boolean>((resolve, reject) => {
      const answer: Answer<boolean> = (freed, error) => (freed === undefined ? reject(error) : resolve(freed));
      const isSent = node.withdraw({ key, owner, claim: 'any', first: undefined }, false, answer);
      if (!isSent) reject(node.error(brokenConnection(), key));
    });
  });
  return (await Promise.all(withdrawn)).includes(true);
}

/** Frees every node of the votes that stand there now; whether a majority had one. */
export async function forceReleaseAll(group: NodeGroup, key: string): Promise<boolean> {
  const { majority } = group;
  const { outcome, errors } = await gather(
    group,
    group.nodes,
    (node) => freeNode(node, key),
    ({ values, errors: failed, pending }): boolean | undefined => {
      const freed = values.filter((wasHeld) => wasHeld).length;
      if (freed >= majority) return true;
      return freed + failed.length + pending < majority ? false : undefined;
    },
  );
  if (outcome === undefined) throw noMajority('force the release of the lock', key, countOf(group), errors);
  return outcome;
}

const isRefusal = (error: unknown): boolean => isLockError(error) && !error.retryable;

/**
 * One page of the locks, of one node after the other. What is held has the votes of a majority, so it shows at one of any
 * `enough` nodes; the rest may be away. The cursor is the number of the node, how many were read to their end, how many refused, and
 * the node's own.
 */
export async function keysOfEnough(group: NodeGroup, cursor: string = '0 0 0'): Promise<KeysPage> {
  const { nodes, majority } = group;
  const enough = nodes.length - majority + 1;
  const [node = '', done = '', refusals = '', ...rest] = cursor.split(' ');
  const asked = Number(node);
  const read = Number(done);
  const at = rest.length === 0 ? undefined : rest.join(' ');
  const { outcome, errors } = await gather(
    group,
    [nodes[asked]!],
    (one) => one.single.keys!(at),
    ({ values }) => values[0],
  );
  if (outcome?.next !== undefined) return { keys: outcome.keys, next: `${asked} ${read} ${refusals} ${outcome.next}` };
  const away = asked + 1 - read - (outcome === undefined ? 0 : 1);
  const refused = Number(refusals) + (errors.some(isRefusal) ? 1 : 0);
  if (away > nodes.length - enough) {
    const refusal = refused > nodes.length - enough ? errors.find(isRefusal) : undefined;
    throw refusal ?? noMajority('list the locks', '*', countOf(group), errors);
  }
  const readNow = asked + 1 - away;
  return { keys: outcome?.keys ?? [], next: readNow === enough ? undefined : `${asked + 1} ${readNow} ${refused}` };
}
