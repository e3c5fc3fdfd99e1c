// A process hands a hold over to its own waiters without asking etcd, and each of them gets a token of its own: the next one. So a
// revision stands for a block of tokens, whatever was asked for, and tokens rise from one revision to the next.
const bits = 16n;

/** How many tokens there are for one hold. */
export const mostTokens: number = 2 ** Number(bits);

/** The first fencing token of the hold whose key was created in this revision. */
export const fencingToken = (createRevision: string): bigint => BigInt(createRevision) << bits;

/** The last one, which its holder may have got to by handing the hold over. */
export const lastToken = (createRevision: string): bigint => fencingToken(createRevision) + BigInt(mostTokens) - 1n;
