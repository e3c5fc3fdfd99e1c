import type { Claim } from '@holdfast/lock-core';
import type { QuorumContext } from './node.ts';

/**
 * The fewest votes that permits need: with `quorum` votes for each permit, `limit + 1` permits would need more than the
 * `nodes * limit` that the nodes give. See SAFETY.md.
 */
export const soundQuorum = (nodes: number, limit: number): number => nodes - Math.ceil(nodes / (limit + 1)) + 1;

/** The highest limit that so many votes are sound for. */
export const highestLimit = (nodes: number, quorum: number): number =>
  quorum === nodes ? Number.POSITIVE_INFINITY : Math.ceil(quorum / (nodes - quorum)) - 1;

interface NodesToAsk extends Pick<QuorumContext, 'majority' | 'permitQuorum'> {
  readonly nodes: { readonly length: number };
}

/** How many nodes have to vote for a claim. */
export function quorumFor({ nodes, majority, permitQuorum }: NodesToAsk, claim: Claim | undefined): number {
  return claim?.mode === 'permits' ? (permitQuorum ?? soundQuorum(nodes.length, claim.limit)) : majority;
}
