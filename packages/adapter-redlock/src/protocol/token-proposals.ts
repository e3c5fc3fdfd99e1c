import type { QuorumClock } from './node.ts';

const dayMicros = 86_400_000_000;

/** The fencing tokens that this client proposes: its own clock in µs, but always above its last proposal. */
export interface TokenProposals {
  /** The first of `count` consecutive tokens. */
  next(count: number): number;
  /** Takes note of a token that a node has seen: later proposals are above it. */
  saw(token: number): void;
}

export function createTokenProposals(clock: QuorumClock): TokenProposals {
  let last = 0;
  return {
    next(count) {
      const first = Math.max(Math.ceil(clock.micros()), last + 1);
      last = first + count - 1;
      return first;
    },
    saw(token) {
      // One absurd token in one fence key must not drive the tokens of all other keys out of range.
      if (token < clock.micros() + dayMicros) last = Math.max(last, token);
    },
  };
}
