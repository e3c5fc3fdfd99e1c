import { expect, it } from 'vitest';
import { fencingToken, mostTokens } from '../src/fencing.ts';

it('C-195: a token is higher than in version 0.1.0, where it was the revision', () => {
  for (const revision of ['1', '9007199254740993']) expect(fencingToken(revision)).toBeGreaterThan(BigInt(revision));
});

it('H62: the last token of a hold is below the first of the next, with all digits', () => {
  expect(fencingToken('9007199254740993') + BigInt(mostTokens) - 1n).toBeLessThan(fencingToken('9007199254740994'));
});
