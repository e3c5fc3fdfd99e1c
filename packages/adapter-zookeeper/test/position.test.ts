import type { Claim } from '@holdfast/lock-core';
import { expect, it } from 'vitest';
import { exclusive, permits, shared } from '../../adapter-etcd/test/support/claim-requests.ts';
import { childName, numbered } from '../src/names.ts';
import { blockersIn, countHolders, firstIn } from '../src/position.ts';

/** The nodes of a queue, numbered over the wrap-around; their owners are called a, b, c and so on. */
const queueOf = (claims: readonly Claim[]): string[] =>
  claims.map((claim, i) => childName(String.fromCharCode(97 + i), claim) + sequence(i));
const sequence = (i: number): string => (i === 0 ? '2147483647' : String(-2147483648 + i - 1));
const ownersIn = (children: readonly string[]): string => children.map((child) => child[3]).join('');

function blockers(queue: readonly Claim[], claim: Claim, passed?: number): string {
  const children = queueOf(queue);
  // As a server lists them, in no order.
  const listed = numbered(children.toSorted((a, b) => (a.slice(-3) < b.slice(-3) ? 1 : -1)))!;
  return ownersIn(blockersIn(listed, claim, passed === undefined ? undefined : children[passed]));
}

it('an exclusive claim waits for whoever is right ahead, a shared one for the nearest that is not shared', () => {
  expect(blockers([], exclusive)).toBe('');
  expect(blockers([shared, exclusive, shared], exclusive)).toBe('c');
  expect(blockers([exclusive, shared, exclusive, shared, shared], shared)).toBe('c');
  expect(blockers([exclusive, shared], shared)).toBe('a');
  expect(blockers([exclusive, shared], shared, 0)).toBe('');
  expect(blockers([exclusive, shared, exclusive], shared, 0)).toBe('c');
  expect(blockers([shared, shared], shared)).toBe('');
});

it('permits wait for the nearest that do not fit together with them', () => {
  const one = permits(1, 3);
  expect(blockers([one, one], one)).toBe('');
  expect(blockers([one, one, one, one, one], one)).toBe('edc');
  expect(blockers([permits(2, 3), permits(3, 3)], one)).toBe('b');
  expect(blockers([one, one], permits(2, 3))).toBe('ba');
  expect(blockers([one, permits(1, 5), one], permits(1, 3))).toBe('b');
  expect(blockers([exclusive], one)).toBe('a');
});

it('the first in the queue holds the lock, and those behind it that go together with all before them', () => {
  const holders = (claims: Claim[], downgraded = false): number => countHolders(queueOf(claims), downgraded);
  expect(holders([])).toBe(0);
  expect(holders([exclusive, shared])).toBe(1);
  expect(holders([exclusive, shared, exclusive], true)).toBe(2);
  expect(holders([shared, shared, exclusive, shared])).toBe(2);
  expect(holders([permits(1, 3), permits(2, 3), permits(1, 3)])).toBe(2);
  expect(holders([permits(1, 3), permits(1, 4), permits(1, 3)])).toBe(1);
  expect(holders([permits(4, 3), permits(1, 3)])).toBe(1);
  expect(firstIn(numbered(queueOf([shared, exclusive, shared]).reverse())!)).toMatch(/^_c_a-/);
});
