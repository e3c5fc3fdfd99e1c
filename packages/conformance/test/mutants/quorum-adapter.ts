import type { Capabilities, HoldRef, LockAdapter } from '@holdfast/lock-core';
import { now, type Table, tableCapabilities } from '../support/table-adapter.ts';

/** The clocks of the nodes run this much fast; drift of 1 % and 2 ms covers it. */
const FAST = 1.005;

export interface QuorumRules {
  /** What the client takes off the validity for the clocks of the nodes, in ms. */
  driftMs(ttlMs: number): number;
  /** Votes that decide. */
  readonly majority: number;
  /** Whether a refused round gives its votes back. */
  readonly givesBack: boolean;
  /** Whether a renewal takes nodes anew that lost the hold. */
  readonly rejoins: boolean;
}

export const rightRules: QuorumRules = {
  driftMs: (ttlMs) => ttlMs / 100 + 2,
  majority: 2,
  givesBack: true,
  rejoins: false,
};

const quorumCapabilities: Capabilities = {
  ...tableCapabilities,
  fencing: false,
  ttl: { minMs: 10, granularityMs: 10, maxOvershootMs: 10 },
};

/** Redlock in small: three nodes with fast clocks, of which each client reaches two. It passes the suite by `rightRules`. */
export function quorumAdapter(all: readonly Table[], client: number, rules: QuorumRules = rightRules): LockAdapter {
  const nodes = all.filter((_, i) => i !== client % all.length);
  const live = (node: Table, key: string) => {
    const row = node.rows.get(key);
    return row && row.expiresAt > now() * FAST ? row : undefined;
  };
  const vote = (node: Table, key: string, owner: string, ttlMs: number, shorten = false): boolean => {
    const row = live(node, key);
    if (row && row.owner !== owner) return false;
    const least = shorten ? 0 : (row?.expiresAt ?? 0);
    const expiresAt = Math.max(now() * FAST + ttlMs, least);
    node.rows.set(key, { owner, token: 0n, tokens: 1, expiresAt });
    return true;
  };
  const withdraw = ({ key, owner }: HoldRef) =>
    nodes.filter((node) => live(node, key)?.owner === owner && node.rows.delete(key)).length;
  const validFor = (ttlMs: number) => Math.max(1, ttlMs - rules.driftMs(ttlMs));

  return {
    name: 'quorum',
    capabilities: quorumCapabilities,
    async tryAcquire({ key, owner, ttlMs }) {
      const leaseMs = Math.max(ttlMs, quorumCapabilities.ttl.minMs);
      const votes = nodes.filter((node) => vote(node, key, owner, leaseMs)).length;
      if (votes >= rules.majority) return { status: 'granted', validForMs: validFor(leaseMs) };
      if (rules.givesBack) withdraw({ key, owner });
      return { status: 'busy' };
    },
    async renew({ key, owner }, askedMs) {
      const ttlMs = Math.max(askedMs, quorumCapabilities.ttl.minMs);
      const kept = nodes.filter((node) => {
        if (live(node, key)?.owner === owner || (rules.rejoins && !live(node, key)))
          return vote(node, key, owner, ttlMs, true);
        return false;
      });
      return kept.length >= rules.majority ? { status: 'renewed', validForMs: validFor(ttlMs) } : { status: 'lost' };
    },
    release: async (hold) => (withdraw(hold) >= rules.majority ? 'released' : 'not-held'),
  };
}
