import { describe, expect, it } from 'vitest';
import type { GrantOutcome } from '../src/protocol/acquire.ts';
import type { Verdict } from '../src/protocol/majority.ts';
import type { NotAsked, QuorumContext, QuorumNode, StandingVote, Vote } from '../src/protocol/node.ts';
import { createQuorum } from '../src/protocol/quorum.ts';

/** A node whose answers come when the test says so. */
function heldNode() {
  const released: StandingVote[] = [];
  const votes: ((vote: Vote) => void)[] = [];
  const withdrawals: ((freed: boolean | undefined) => void)[] = [];
  const node: QuorumNode = {
    vote: (_, answer) => {
      votes.push(answer);
      return undefined;
    },
    renew: () => false,
    extend: () => false,
    release: (vote) => void released.push(vote),
    withdraw: (_, __, answer) => withdrawals.push(answer) > 0,
  };
  return { node, released, votes, withdrawals };
}

/** Three nodes, two of which have granted the lock to an owner who was released since; the third has not answered anything. */
function releasedBeforeTheLastVote() {
  const nodes = [heldNode(), heldNode(), heldNode()];
  const context: QuorumContext = {
    nodes: nodes.map(({ node }) => node),
    majority: 2,
    nodeTimeoutMs: 1_000,
    clock: { now: () => 0, micros: () => 1, after: () => () => {} },
    random: () => 0,
  };
  const quorum = createQuorum(context);
  const held = { key: 'k', owner: 'o', first: 1 };
  quorum.acquire({ key: 'k', owner: 'o', ttlMs: 10_000, tokens: 1 }, () => {});
  for (const { votes } of nodes.slice(0, 2)) votes[0]!({ kind: 'yes' });
  const release = () => quorum.release(held, () => {});
  release();
  for (const { withdrawals } of nodes.slice(0, 2)) withdrawals[0]!(true);
  return { quorum, release, last: nodes[2]!, others: nodes.slice(0, 2) };
}

it.each(['before', 'behind'])(
  'H15: a vote that comes in %s the answer that there was none is withdrawn once',
  (order) => {
    const { quorum, last, others, release } = releasedBeforeTheLastVote();
    const steps = [() => last.votes[0]!({ kind: 'yes' }), () => last.withdrawals[0]!(false)];
    for (const step of order === 'before' ? steps : steps.reverse()) step();
    expect(last.released).toEqual([expect.objectContaining({ key: 'k', owner: 'o', first: 1 })]);
    release();
    last.withdrawals[1]?.(false);
    expect(last.released).toHaveLength(1);
    expect(others.flatMap(({ released }) => released)).toEqual([]);
    expect(quorum.owners).toBe(0);
  },
);

it('H15: a late vote that the release of its owner withdrew is not withdrawn again', () => {
  const { last } = releasedBeforeTheLastVote();
  last.votes[0]!({ kind: 'yes' });
  last.withdrawals[0]!(true);
  expect(last.released).toEqual([]);
});

it('H15: a late vote is withdrawn once, although the release is repeated before the first one is answered', () => {
  const { last, release } = releasedBeforeTheLastVote();
  release();
  last.votes[0]!({ kind: 'yes' });
  for (const withdrawn of last.withdrawals) withdrawn(false);
  expect(last.withdrawals).toHaveLength(2);
  expect(last.released).toHaveLength(1);
});

/** Three nodes that an owner has asked for the lock. */
function askedOfThree() {
  const nodes = [heldNode(), heldNode(), heldNode()];
  const outcomes: GrantOutcome[] = [];
  const quorum = createQuorum({
    nodes: nodes.map(({ node }) => node),
    majority: 2,
    nodeTimeoutMs: 1_000,
    clock: { now: () => 0, micros: () => 1, after: () => () => {} },
    random: () => 0,
  });
  quorum.acquire({ key: 'k', owner: 'o', ttlMs: 10_000, tokens: 1 }, (outcome) => outcomes.push(outcome));
  return { quorum, nodes, outcomes };
}

it.each([
  ['what it asked for has been refused', { kind: 'yes' }, { kind: 'busy' }],
  ['it is not known', { kind: 'failed', error: new Error('the connection broke') }, { kind: 'failed', sent: true }],
] as const)(
  'H125: an owner that is released meanwhile is told, once all votes are in, that %s',
  (_, vote, expected) => {
    const { quorum, nodes, outcomes } = askedOfThree();
    quorum.release({ key: 'k', owner: 'o', first: undefined }, () => {});
    for (const { votes } of nodes.slice(0, 2)) votes[0]!({ kind: 'yes' });
    expect(outcomes).toEqual([]);
    nodes[2]!.votes[0]!(vote);
    expect(outcomes).toMatchObject([expected]);
    for (const { withdrawals } of nodes) withdrawals[0]!(true);
    expect(nodes.flatMap(({ released }) => released)).toEqual([]);
    expect(quorum.owners).toBe(0);
  },
);

const heldBy = (holder: string, remainingMs: number): Vote => ({ kind: 'held', holder, remainingMs });

it.each([
  ['told where one owner has the majority', [heldBy('a:1', 700), heldBy('a:1', 300)], 700],
  // It may be a contender that has lost, and is giving its vote back.
  [
    'not told where it is only possible',
    [heldBy('a:1', 700), heldBy('b:1', 300), { kind: 'failed', error: 0 }],
    undefined,
  ],
] as const)('when it is worth asking again is %s', (_, votes, retryAfterMs) => {
  const { nodes, outcomes } = askedOfThree();
  for (const [i, vote] of votes.entries()) nodes[i]!.votes[0]!(vote);
  expect(outcomes).toEqual([{ kind: 'busy', retryAfterMs }]);
});

it('H125: the vote of an owner that is released meanwhile is withdrawn again where the first time had no answer', () => {
  const { quorum, nodes, outcomes } = askedOfThree();
  nodes[0]!.votes[0]!({ kind: 'yes' });
  quorum.release({ key: 'k', owner: 'o', first: undefined }, () => {});
  nodes[0]!.withdrawals[0]!(undefined);
  for (const { votes } of nodes.slice(1)) votes[0]!({ kind: 'low', highest: 5 });
  expect(outcomes).toMatchObject([{ kind: 'busy' }]);
  expect(nodes.map(({ released }) => released.length)).toEqual([1, 0, 0]);
});

describe('H116: what was sent', () => {
  /** An owner asks, with each node as `ask` says. */
  function quorumOver(ask: () => NotAsked | undefined) {
    const nodes = [heldNode(), heldNode(), heldNode()];
    const context: QuorumContext = {
      nodes: nodes.map(({ node }) => ({ ...node, vote: (ballot, answer) => ask() ?? node.vote(ballot, answer) })),
      majority: 2,
      nodeTimeoutMs: 1_000,
      clock: { now: () => 0, micros: () => 1, after: () => () => {} },
      random: () => 0,
    };
    const quorum = createQuorum(context);
    const acquire = (owner: string) => {
      const outcomes: GrantOutcome[] = [];
      quorum.acquire({ key: 'k', owner, ttlMs: 10_000, tokens: 1 }, (outcome) => outcomes.push(outcome));
      return outcomes;
    };
    return { nodes, quorum, acquire };
  }

  it('nothing, and nothing is remembered, where no node could be asked', () => {
    const { quorum, acquire } = quorumOver(() => ({ kind: 'unreachable' }));
    for (let i = 0; i < 1_000; i += 1) expect(acquire(`o${i}`)).toMatchObject([{ kind: 'failed', sent: false }]);
    expect(quorum.owners).toBe(0);
    const verdicts: Verdict[] = [];
    quorum.renew([{ key: 'k', owner: 'o', first: 1 }], 10_000, (verdict) => verdicts.push(verdict));
    expect(verdicts).toMatchObject([{ items: [undefined], sent: false }]);
  });

  it('something, for as long as the owner is known, where an earlier attempt asked a node', () => {
    let away = false;
    const { nodes, acquire } = quorumOver(() => (away ? { kind: 'unreachable' } : undefined));
    const first = acquire('o');
    for (const { votes } of nodes) votes[0]!({ kind: 'failed', error: new Error('the connection broke') });
    expect(first).toMatchObject([{ kind: 'failed', sent: true }]);
    away = true;
    expect(acquire('o')).toMatchObject([{ kind: 'failed', sent: true }]);
    expect(acquire('another')).toMatchObject([{ kind: 'failed', sent: false }]);
  });
});
