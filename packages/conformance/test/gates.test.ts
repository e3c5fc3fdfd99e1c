import type { Capabilities, LockAdapter } from '@holdfast/lock-core';
import { describe, expect, it } from 'vitest';
import { memoryAdapter, memoryStore } from '../../adapter-memory/src/index.ts';
import { cases, type Harness, openSuite, runConformance } from '../src/index.ts';
import {
  newTable,
  sessionAdapter,
  sessionCapabilities,
  tableAdapter,
  tableCapabilities,
} from './support/table-adapter.ts';

type Flags = Partial<Omit<Capabilities, 'ttl'>>;

/** A harness whose adapter works as `real`, but says `claimed`. */
function liar(claimed: Flags, real: { fencing?: boolean; fairness?: 'fifo' | 'none' } = {}): Harness {
  const store = memoryStore();
  const capabilities = { ...memoryAdapter(real).capabilities, ...claimed };
  const adapter = async (): Promise<LockAdapter> => ({ ...memoryAdapter({ store, ...real }), capabilities });
  return { name: 'liar', adapter, capabilities };
}

const failing = async (harness: Harness, ids: readonly string[]): Promise<string[]> => {
  const report = await runConformance(harness, { filter: ({ id }) => ids.includes(id) });
  return report.results.filter(({ outcome }) => outcome === 'fail').map(({ id }) => id);
};

describe('H87: a false declaration fails, in either direction', () => {
  it.concurrent.for([
    ['fencing claimed, no tokens', liar({ fencing: true }, { fencing: false }), ['LK-0053', 'LK-0058']],
    ['no fencing claimed, tokens given', liar({ fencing: false }), ['LK-0059']],
    ['fifo claimed, no queue', liar({ fairness: 'fifo' }, { fairness: 'none' }), ['LK-0002']],
    ['no fifo claimed, queue offered', liar({ fairness: 'none' }), ['LK-0003']],
    ['poll claimed, hints given', liar({ wakeup: 'poll' }, { fairness: 'none' }), ['LK-0005']],
    ['session claimed, expiry by TTL', liar({ expiry: 'session' }), ['LK-0100']],
  ] as const)('%s', async ([, harness, ids]) => {
    expect(await failing(harness, ids)).toEqual(ids);
  });

  it('push claimed, but no way to be told', async () => {
    const store = memoryStore();
    const { capabilities } = memoryAdapter({ fairness: 'none' });
    const adapter = async () => ({ ...memoryAdapter({ store, fairness: 'none' }), whenFree: undefined });
    expect(await failing({ name: 'deaf', adapter, capabilities }, ['LK-0004'])).toEqual(['LK-0004']);
  });

  it('push claimed, but the hints never come', async () => {
    const store = memoryStore();
    const make = (): LockAdapter => memoryAdapter({ store, fairness: 'none' });
    const adapter = async (): Promise<LockAdapter> => {
      const told = new WeakSet<AbortSignal>();
      const whenFree = (_: string, signal: AbortSignal): Promise<void> => {
        if (told.has(signal)) return new Promise(() => {});
        told.add(signal);
        return Promise.resolve();
      };
      return { ...make(), whenFree };
    };
    const { capabilities } = make();
    expect(await failing({ name: 'mute', adapter, capabilities }, ['LK-0068'])).toEqual(['LK-0068']);
  });

  it('the adapter and its harness disagree', async () => {
    const harness = { ...liar({}), capabilities: { ...liar({}).capabilities, crossProcess: true } };
    expect(await failing(harness, ['LK-0001'])).toEqual(['LK-0001']);
  });
});

describe('an incomplete harness', () => {
  it('is an error that names the flags', async () => {
    const { fencing: _, ttl, ...rest } = liar({}).capabilities;
    const capabilities = { ...rest, ttl: { ...ttl, granularityMs: Number.NaN } } as Capabilities;
    await expect(openSuite({ ...liar({}), capabilities })).rejects.toThrow(/"liar".*: fencing, ttl.granularityMs$/);
    await expect(openSuite({ ...liar({}), capabilities: undefined as never })).rejects.toThrow(/crossProcess/);
  });
});

describe('"unknown" is an answer', () => {
  /** Every first answer about a key whose hold was ended is lost with the connection. */
  const forgetful = (expiry: 'ttl' | 'session'): Harness => {
    const table = newTable();
    const ended = new Set<string>();
    const adapter = async (): Promise<LockAdapter> => {
      const right = expiry === 'session' ? sessionAdapter(table) : tableAdapter(table);
      const renew: LockAdapter['renew'] = async (hold, ttlMs) => {
        const outcome = await right.renew(hold, ttlMs);
        const known = outcome.status === 'renewed' || ended.has(hold.key);
        ended.add(hold.key);
        if (!known) throw new Error('the connection was lost');
        return outcome;
      };
      return { ...right, renew };
    };
    const capabilities = expiry === 'session' ? sessionCapabilities : tableCapabilities;
    return { name: expiry, adapter, capabilities, hooks: { revoke: async (key) => void table.rows.delete(key) } };
  };

  for (const expiry of ['session', 'ttl'] as const) {
    it.concurrent(`of a client whose holds end by ${expiry}: it is asked again`, async () => {
      expect(await failing(forgetful(expiry), ['LK-0013', 'LK-0016'])).toEqual([]);
    });
  }

  it.concurrent('but a client that never knows fails, with its own error', async () => {
    const harness = liar({});
    const mute = async (): Promise<LockAdapter> => ({
      ...(await harness.adapter()),
      inspect: () => Promise.reject(new Error('no idea')),
    });
    const report = await runConformance({ ...harness, adapter: mute }, { filter: ({ id }) => id === 'LK-0098' });
    expect(report.results[0]).toMatchObject({ outcome: 'fail', reason: 'no idea' });
  });

  it.concurrent('to a release it leaves no verdict, when the answer to the second one is no', async () => {
    const harness = liar({});
    const late = async (): Promise<LockAdapter> => {
      const right = await harness.adapter();
      let releases = 0;
      return {
        ...right,
        async release(hold) {
          const outcome = await right.release(hold);
          // The first is that of the new client which finds out whether it is connected.
          if (++releases === 2) throw new Error('too late');
          return outcome;
        },
      };
    };
    const report = await runConformance({ ...harness, adapter: late }, { filter: ({ id }) => id === 'LK-0029' });
    expect(report.results[0]).toMatchObject({
      outcome: 'skip',
      reason: expect.stringContaining('release had no answer'),
    });
  });
});

describe('a skip shows its reason', () => {
  const reasonOf = async (harness: Harness, id: string) => {
    const suite = await openSuite(harness);
    const result = await suite.run(cases.find((testCase) => testCase.id === id)!);
    expect(result.outcome).toBe('skip');
    return result.reason;
  };

  it('for a capability, a method and a hook', async () => {
    expect(await reasonOf(liar({}), 'LK-0059')).toBe('the backend declares fencing: true, the case is for false');
    expect(await reasonOf(liar({}), 'LK-0068')).toBe('the adapter has no whenFree');
    expect(await reasonOf(liar({}), 'LK-0050')).toBe('the harness has no hook "revoke"');
    expect(await reasonOf(liar({ expiry: 'session' }), 'LK-0013')).toMatch(/no hook "revoke" to end one$/);
  });

  const flags: readonly (keyof Flags)[] = [
    ...(['fencing', 'fairness', 'expiry', 'wakeup'] as const),
    ...(['survivesFailover', 'crossProcess'] as const),
  ];
  it.each(flags)('of a case that is for another value of %s', async (flag) => {
    const harness = liar({});
    const declared = harness.capabilities[flag];
    const others = cases.filter(({ requires }) => requires?.[flag] !== undefined && requires[flag] !== declared);
    expect(others.length).toBeGreaterThan(0);
    const suite = await openSuite(harness);
    for (const testCase of others) {
      const { outcome, reason } = await suite.run(testCase);
      expect({ outcome, reason }).toEqual({
        outcome: 'skip',
        reason: `the backend declares ${flag}: ${declared}, the case is for ${testCase.requires![flag]}`,
      });
    }
  });

  it.each([
    ['servers', 'the harness has no "servers" to put a proxy before'],
    ['process', 'the harness has no "process" by which another process makes a client'],
    ['freeze', 'the harness has no hook "freeze"'],
    ['restart', 'the harness has no hook "restart"'],
    ['advance', 'the harness has no hook "advance"'],
    ['failover', 'the harness has no hook "failover"'],
  ] as const)('of every case that needs %s', async (need, reason) => {
    const needing = cases.filter((testCase) => testCase.needs?.includes(need));
    expect(needing.length).toBeGreaterThan(0);
    for (const { id, requires } of needing) expect(await reasonOf(liar({ ...requires }), id)).toBe(reason);
  });
});

describe('the report', () => {
  it('keeps a failing SHOULD apart from a failing MUST, and counts what it ran', async () => {
    const harness = liar({});
    const short = async (): Promise<LockAdapter> => {
      const right = await harness.adapter();
      return {
        ...right,
        async tryAcquire(attempt) {
          const outcome = await right.tryAcquire(attempt);
          return outcome.status === 'granted' ? { ...outcome, validForMs: 10 } : outcome;
        },
      };
    };
    const report = await runConformance(
      { ...harness, adapter: short },
      { filter: ({ id }) => ['LK-0039', 'LK-0059'].includes(id) },
    );
    expect(report.counts).toMatchObject({ pass: 0, fail: 1, skip: 1 });
    expect(report.ok).toBe(true);
    expect(report.results[0]?.reason).toContain('validity of only 10 ms');
  });

  it('H53: a rejection without a listener fails the run', async () => {
    const harness = liar({});
    const careless = async (): Promise<LockAdapter> => {
      const right = await harness.adapter();
      return {
        ...right,
        release(hold) {
          void Promise.reject(new Error('nobody listens'));
          return right.release(hold);
        },
      };
    };
    const report = await runConformance({ ...harness, adapter: careless }, { filter: ({ id }) => id === 'LK-0006' });
    expect(report.counts.pass).toBe(1);
    expect(report.unhandled).toContain('nobody listens');
    expect(report.ok).toBe(false);
  });

  it('fails a case whose client does not close', async () => {
    const harness = liar({});
    const stubborn = async () => ({
      ...(await harness.adapter()),
      close: () => Promise.reject(new Error('will not close')),
    });
    const suite = await openSuite({ ...harness, adapter: stubborn }).catch((error: Error) => error);
    expect(suite).toMatchObject({ message: 'will not close' });
  });
});
