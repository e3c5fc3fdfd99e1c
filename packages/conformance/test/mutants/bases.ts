import { setTimeout as sleep } from 'node:timers/promises';
import type { LockAdapter } from '@holdfast/lock-core';
import { type MemoryAdapterOptions, memoryAdapter, memoryStore } from '../../../adapter-memory/src/index.ts';
import type { Harness } from '../../src/index.ts';
import {
  type ClaimEntry,
  type ClaimStore,
  claimsAdapter,
  newClaimStore,
  rightRules,
} from '../support/claims-adapter.ts';
import { newTable, now, sessionAdapter, tableAdapter } from '../support/table-adapter.ts';
import type { Inside, Mutant } from './mutant.ts';
import { quorumAdapter } from './quorum-adapter.ts';

export type BaseName = 'table' | 'sessions' | 'quorum' | 'queue' | 'hints' | 'claims' | 'slow' | 'one by one';

/** Opens a new backend; what it gives makes a client of it, by number. */
type Backend = (inside: Inside) => (client: number) => LockAdapter;

const memory =
  (options: MemoryAdapterOptions): Backend =>
  () => {
    const store = memoryStore();
    return () => memoryAdapter({ store, ...options });
  };

const answerMs = 300;

/** What it is asked is done half-way between the call and the answer. */
function slowed(right: LockAdapter): LockAdapter {
  return new Proxy(right, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]) => {
        await sleep(answerMs / 2);
        const answer: unknown = await Reflect.apply(member, target, args);
        await sleep(answerMs / 2);
        return answer;
      };
    },
  });
}

const apartMs = 5;

function oneByOne(store: ClaimStore): LockAdapter {
  const grantedAt = new WeakMap<ClaimEntry, number>();
  const adapter = claimsAdapter(store, {
    next(entry, fits) {
      const waiter = rightRules.next(entry, fits);
      if (waiter === undefined) return undefined;
      if (entry.holders.length > 0 && now() - (grantedAt.get(entry) ?? 0) < apartMs) {
        // Whatever is asked of a key looks at its queue.
        setTimeout(() => void adapter.inspect!(entry.key), apartMs);
        return undefined;
      }
      grantedAt.set(entry, now());
      return waiter;
    },
  });
  return adapter;
}

/** The right adapters. */
const backends: Record<BaseName, Backend> = {
  /** Rows by key, by polling. */
  table: (inside) => () => tableAdapter(inside),
  /** The same with holds that end with their session. */
  sessions: (inside) => () => sessionAdapter(inside),
  /** Three nodes, of which each client reaches two. */
  quorum: (inside) => (client) => quorumAdapter(inside.nodes, client),
  /** The memory adapter with its queue. */
  queue: memory({ fairness: 'fifo' }),
  /** The memory adapter with hints and no queue. */
  hints: memory({ fairness: 'none' }),
  /** Claims of all kinds by one rule, in the plainest way. */
  claims: (inside) => () => claimsAdapter(inside.claims),
  /** The same, but every answer takes 300 ms. */
  slow: (inside) => () => slowed(claimsAdapter(inside.claims)),
  /** The same, but it lets waiters in one after the other, a few ms apart. */
  'one by one': (inside) => () => oneByOne(inside.claims),
};

export const baseNames = Object.keys(backends) as BaseName[];

/** Brings a base to the suite, with the bug of a mutant if one is given. */
export function harnessOf(base: BaseName, mutant?: Mutant): Harness {
  const inside: Inside = {
    ...newTable(),
    nodes: [newTable(), newTable(), newTable()],
    refused: [],
    claims: newClaimStore(),
  };
  const open: (client: number) => LockAdapter = backends[base](inside);
  const operator = open(0);
  const capabilities = { ...operator.capabilities, ...mutant?.declares };
  let clients = 0;
  const adapter = async (): Promise<LockAdapter> => {
    const client = clients++;
    const right = open(client);
    const wrong: LockAdapter = { ...right, capabilities, ...mutant?.adapter?.(right, inside, client) };
    // A bug in renew is one in renewMany too, unless that is the one with the bug.
    if (wrong.renewMany === right.renewMany && wrong.renew !== right.renew) {
      wrong.renewMany = (holds, ttlMs) => Promise.all(holds.map((hold) => wrong.renew(hold, ttlMs)));
    }
    return wrong;
  };
  const { forceRelease } = operator;
  return {
    name: mutant?.bug ?? base,
    capabilities,
    adapter,
    // To see that somebody is let in two milliseconds early.
    ...(base === 'quorum' && { timing: { pollMs: 1 } }),
    hooks: forceRelease && { revoke: async (key) => void (await forceRelease(key)) },
    ...(mutant?.locks && { createLocks: (over, options) => mutant.locks!(over, options, inside) }),
  };
}
