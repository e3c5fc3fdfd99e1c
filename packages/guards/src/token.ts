/** The type of `lock.fencingToken`: higher for each later hold of a key. It is `undefined` without fencing, which the guards refuse. */
export type FencingToken = bigint | undefined;

const highest = 2n ** 63n - 1n;

/** The token in decimal without leading zeros. As a number, it would lose digits above 2^53 (H62). */
export function tokenText(token: FencingToken): string {
  if (token === undefined) {
    throw new TypeError(
      'There is no fencing token because this lock backend provides none. Open the locks with `require: { fencing: true }`.',
    );
  }
  if (typeof token !== 'bigint' || token < 0n || token > highest) {
    throw new TypeError(`A fencing token is a bigint from 0 to 2^63 - 1, not ${typeof token} ${String(token)}.`);
  }
  return String(token);
}

/** Reads the token that a fence stores; `undefined` when the text is not one that a guard writes. */
export function storedToken(text: string): bigint | undefined {
  if (!/^(0|[1-9]\d{0,18})$/.test(text)) return undefined;
  const token = BigInt(text);
  return token <= highest ? token : undefined;
}

/** The error for a fence that holds anything but a token. It is neither higher nor lower than a token, so no write is decided by it. */
export function corruptFence(fence: string, found: string): Error {
  const shown = found.length > 60 ? `${found.slice(0, 60)}…` : found;
  return new Error(
    `The fence ${fence} holds ${JSON.stringify(shown)}, which is no fencing token. Nothing was written. Use a key for the fence that nothing else writes to.`,
  );
}
