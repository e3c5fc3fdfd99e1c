// A process hands a hold over to its own waiters without asking ZooKeeper, and each of them gets the next token. Each transaction
// therefore provides a block of tokens, whatever was requested, and tokens rise from one transaction to the next.
const bits = 16n;

/** How many tokens there are for one hold. */
export const mostTokens: number = 2 ** Number(bits);

/** The first fencing token of the hold whose node was created by this transaction. */
export const fencingToken = (czxid: bigint): bigint => czxid << bits;

/** The last one, which its holder may have got to by handing the hold over. */
export const lastToken = (czxid: bigint): bigint => fencingToken(czxid) + BigInt(mostTokens) - 1n;
