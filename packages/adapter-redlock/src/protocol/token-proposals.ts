import type { QuorumClock } from './node.ts';

const dayMicros = 86_400_000_000;

/** Tokens stay below this, so that numbers are exact. */
export const tokenLimit: number = Number.MAX_SAFE_INTEGER;

/** The fencing tokens that this client proposes: its clock in µs, but always above its last proposal. */
export interface TokenProposals {
  /** The first of `count` consecutive tokens, above the token `above`. */
  next(count: number, above: number): number;
  /**
   * Takes note of a token that a node has seen: later proposals for any key are above it. False when it is too far ahead of
   * the clock for that.
   */
  saw(token: number): boolean;
}

export function createTokenProposals(clock: QuorumClock): TokenProposals {
  let last = 0;
  return {
    next(count, above) {
      const first = Math.max(Math.ceil(clock.micros()), last + 1);
      // A key whose tokens are far ahead is its own affair: they must not drive those of all other keys out of range.
      if (above >= first) return above + 1;
      last = first + count - 1;
      return first;
    },
    saw(token) {
      if (token >= clock.micros() + dayMicros) return false;
      last = Math.max(last, token);
      return true;
    },
  };
}
