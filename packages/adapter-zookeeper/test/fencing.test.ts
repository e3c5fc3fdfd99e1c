import { expect, it } from 'vitest';
import { fencingToken, mostTokens } from '../src/fencing.ts';

it('C-195: a token is higher than in version 0.1.0, where it was the number of the transaction', () => {
  for (const czxid of [1n, 2n ** 32n + 1n]) expect(fencingToken(czxid)).toBeGreaterThan(czxid);
});

it('H62: the last token of a hold is below the first of the next, also at the end of what a guard takes', () => {
  for (const czxid of [1n, 2n ** 32n + 7n, 2n ** 47n - 2n]) {
    expect(fencingToken(czxid) + BigInt(mostTokens) - 1n).toBeLessThan(fencingToken(czxid + 1n));
    expect(fencingToken(czxid + 1n)).toBeLessThan(2n ** 63n);
  }
});
