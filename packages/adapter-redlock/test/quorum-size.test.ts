import { expect, it } from 'vitest';
import { highestLimit, soundQuorum } from '../src/protocol/quorum-size.ts';

const cases = Array.from({ length: 9 }, (_, i) => i + 1).flatMap((nodes) =>
  [1, 2, 3, 4, 5, 7, 8, 9, 10, 100, 2 ** 31 - 1].map((limit) => [nodes, limit] as const),
);

/** Whether so many holders of one permit can have so many votes each, of nodes that give `limit` votes each. */
function canHold(holders: number, votes: number, nodes: number, limit: number): boolean {
  const free = new Array<number>(nodes).fill(limit);
  for (let holder = 0; holder < holders; holder++) {
    // The emptiest nodes first: so nothing is wasted.
    const order = [...free.keys()].sort((a, b) => free[b]! - free[a]!).slice(0, votes);
    if (order.some((node) => free[node] === 0)) return false;
    for (const node of order) free[node]! -= 1;
  }
  return true;
}

it('H108: a permit needs as few votes as keep one permit too many from being had, and at least a majority', () => {
  for (const [nodes, limit] of cases.filter(([, many]) => many <= 100)) {
    const votes = soundQuorum(nodes, limit);
    const what = `${votes} of ${nodes} nodes, limit ${limit}`;
    expect(canHold(limit, votes, nodes, limit), `the limit is reached: ${what}`).toBe(true);
    expect(canHold(limit + 1, votes, nodes, limit), `no more than the limit: ${what}`).toBe(false);
    expect(votes * 2, what).toBeGreaterThan(nodes);
    const isMajority = (votes - 1) * 2 <= nodes;
    if (!isMajority) expect(canHold(limit + 1, votes - 1, nodes, limit), `one vote fewer: ${what}`).toBe(true);
  }
});

it('the highest limit that a quorum is sound for is the last one that needs no more', () => {
  for (const [nodes, limit] of cases) {
    for (let votes = Math.floor(nodes / 2) + 1; votes <= nodes; votes++)
      expect(limit <= highestLimit(nodes, votes), `${votes} of ${nodes}, limit ${limit}`).toBe(
        soundQuorum(nodes, limit) <= votes,
      );
  }
  expect([3, 4, 5].map((votes) => highestLimit(5, votes))).toEqual([1, 3, Number.POSITIVE_INFINITY]);
});
