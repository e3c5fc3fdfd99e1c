import type { Claim } from '@holdfast/lock-core';
import type { IKeyValue } from 'etcd3';
import { expect, it } from 'vitest';
import { encodeValue } from '../src/claim.ts';
import { blockersIn, holdersIn } from '../src/position.ts';
import { exclusive, permits, shared } from './support/claim-requests.ts';

const keyOf = (claim: Claim, name: string): IKeyValue =>
  ({ key: Buffer.from(name), value: encodeValue({ ttlMs: 1_000, claim }) }) as IKeyValue;
const names = (keys: readonly IKeyValue[]): string => keys.map(({ key }) => key.toString()).join('');
/** The queue is given from its head on; its keys are called a, b, c and so on. */
const queueOf = (claims: readonly Claim[]): IKeyValue[] =>
  claims.map((claim, i) => keyOf(claim, String.fromCharCode(97 + i)));
const blockers = (queue: readonly Claim[], claim: Claim): string => names(blockersIn(queueOf(queue).reverse(), claim));

it('an exclusive claim waits for whoever is right ahead, a shared one for the nearest that is not shared', () => {
  expect(blockers([], exclusive)).toBe('');
  expect(blockers([shared, exclusive, shared], exclusive)).toBe('c');
  expect(blockers([exclusive, shared, exclusive, shared, shared], shared)).toBe('c');
  expect(blockers([shared, permits(1, 2)], shared)).toBe('b');
  expect(blockers([shared, shared], shared)).toBe('');
});

it('permits wait for the nearest that do not fit together with them', () => {
  const one = permits(1, 3);
  expect(blockers([one, one], one)).toBe('');
  expect(blockers([one, one, one], one)).toBe('cba');
  expect(blockers([one, one, one, one, one], one)).toBe('edc');
  expect(blockers([permits(2, 3), permits(3, 3)], one)).toBe('b');
  expect(blockers([one, one], permits(2, 3))).toBe('ba');
  expect(blockers([one], permits(3, 3))).toBe('a');
  expect(blockers([one, permits(1, 5), one], permits(1, 3))).toBe('b');
  expect(blockers([exclusive], one)).toBe('a');
});

it('the first in the queue holds the lock, and those behind it that go together with all before them', () => {
  const holders = (...claims: Claim[]): string => names(holdersIn(queueOf(claims)));
  expect(holders()).toBe('');
  expect(holders(exclusive, shared)).toBe('a');
  expect(holders(shared, shared, exclusive, shared)).toBe('ab');
  expect(holders(permits(1, 3), permits(2, 3), permits(1, 3))).toBe('ab');
  expect(holders(permits(1, 3), permits(3, 3), permits(1, 3))).toBe('a');
  expect(holders(permits(1, 3), permits(1, 4), permits(1, 3))).toBe('a');
  // Of a limit that nobody can have asked for.
  expect(holders(permits(4, 3), permits(1, 3))).toBe('a');
});
