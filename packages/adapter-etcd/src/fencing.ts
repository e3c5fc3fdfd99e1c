// A process hands a hold over to its own waiters without a request to etcd, and each of them gets the next token. A revision therefore
// stands for a block of tokens, however many were requested, and tokens rise from one revision to the next.
const bits = 16n;

/** How many tokens there are for one hold. */
export const mostTokens: number = 2 ** Number(bits);

/** The first fencing token of the hold whose key was created in this revision. */
export const fencingToken = (createRevision: string): bigint => BigInt(createRevision) << bits;

/** The last token of that hold, which local hand-overs may have reached. */
export const lastToken = (createRevision: string): bigint => fencingToken(createRevision) + BigInt(mostTokens) - 1n;
