/** `lock.fencingToken`: higher for every later hold of the key; `undefined` where the backend gives none, which a guard refuses. */
export type FencingToken = bigint | undefined;

const highest = 2n ** 63n - 1n;

/** The token in decimal, without leading zeros: as a number it would lose digits past 2^53 (H62). */
export function tokenText(token: FencingToken): string {
  if (token === undefined) {
    throw new TypeError(
      'There is no fencing token: this lock backend gives none. Open the locks with `require: { fencing: true }`.',
    );
  }
  if (typeof token !== 'bigint' || token < 0n || token > highest) {
    throw new TypeError(`A fencing token is a bigint from 0 to 2^63 - 1, not ${typeof token} ${String(token)}.`);
  }
  return String(token);
}
