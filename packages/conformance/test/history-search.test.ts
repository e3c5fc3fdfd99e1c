import { describe, expect, it } from 'vitest';
import {
  checkExclusion,
  checkHistory,
  checkLinearizable,
  type HistoryEvent,
  type Hold,
  interpret,
  type LockOp,
  mutex,
  type Operation,
  ownerAware,
  split,
} from '../src/history/index.ts';

const never = Number.POSITIVE_INFINITY;
const operation = (f: LockOp['f'], hold: string, call: number, end: number): Operation<LockOp> => ({
  call,
  return: end,
  op: { f, hold, owner: hold },
});
const hold = (id: string, invokedAt: number, start: number, end: number, doneAt = never): Hold => ({
  ...{ id, process: id, key: 'k', owner: id, fence: undefined, lastFence: undefined },
  ...{ invokedAt, start, end, endedBy: doneAt === never ? 'deadline' : 'release', doneAt },
});

describe('the search', () => {
  it('gives the order that it found, and the longest one when there is none', () => {
    const good = [operation('acquire', 'B', 0, 9), operation('release', 'A', 4, 5), operation('acquire', 'A', 1, 2)];
    expect(checkLinearizable(ownerAware(), good)).toEqual({ verdict: 'valid', order: [2, 1, 0] });
    const bad = [operation('acquire', 'A', 0, 1), operation('acquire', 'B', 2, 3), operation('release', 'A', 4, 5)];
    expect(checkLinearizable(ownerAware(), bad)).toEqual({ verdict: 'invalid', order: [0] });
  });

  it('takes intervals that touch for simultaneous', () => {
    const touching = [
      operation('acquire', 'A', 0, 1),
      operation('acquire', 'B', 2, 3),
      operation('release', 'A', 3, 4),
    ];
    expect(checkLinearizable(ownerAware(), touching).verdict).toBe('valid');
    expect(checkLinearizable(mutex(), touching).verdict).toBe('valid');
  });

  it('says "unknown" when its budget is spent, never "valid"', () => {
    const hard = Array.from({ length: 14 }, (_, n) => operation('acquire', `h${n}`, 0, 100));
    expect(checkLinearizable(ownerAware(), hard, 10).verdict).toBe('unknown');
    expect(checkLinearizable(ownerAware(), hard).verdict).toBe('invalid');
  });

  it('answers at once for 16 that ask together', () => {
    const all = Array.from({ length: 16 }, (_, n) => [
      operation('acquire', `h${n}`, 0, 10 * n + 5),
      operation('release', `h${n}`, 10 * n + 6, 10 * n + 9),
    ]);
    const { verdict, order } = checkLinearizable(ownerAware(), all.flat(), 20_000);
    expect(verdict).toBe('valid');
    expect(order.length).toBe(32);
  });

  it('makes an unfinished search a verdict of its own', () => {
    const call = (op: string, f: 'acquire' | 'release', hold: string) =>
      ({ process: 'p', op, f, key: 'k', hold }) as const;
    const events: HistoryEvent[] = [
      { ...call('1', 'acquire', 'A'), t: 0, kind: 'invoke' },
      { ...call('1', 'acquire', 'A'), t: 1, kind: 'ok' },
      { ...call('2', 'acquire', 'B'), t: 2, kind: 'invoke' },
      { ...call('2', 'acquire', 'B'), t: 3, kind: 'fail', why: 'busy' },
    ];
    expect(checkHistory(events, { strict: true }).verdict).toBe('valid');
    expect(checkHistory(events, { strict: true, maxNodes: 1 })).toMatchObject({ verdict: 'unknown', undecided: ['k'] });
  });
});

describe('the windows', () => {
  it('are cut where nothing is under way and nobody holds', () => {
    const holds = [hold('A', 0, 1, 5, 6), hold('B', 6, 7, 8, 9), hold('C', 10, 11, 12, 13)];
    expect(split(holds).map((window) => window.map(({ id }) => id))).toEqual([['A', 'B'], ['C']]);
  });

  it('go past the end of an expired hold when its owner asks again', () => {
    const expired = hold('A', 0, 1, 5);
    const again = { ...hold('A2', 10, 11, 12, 13), owner: 'A' };
    expect(split([expired, hold('B', 6, 7, 8, 9), hold('C', 20, 21, 22, 23)]).length).toBe(3);
    expect(split([expired, hold('B', 6, 7, 8, 9), again, hold('C', 20, 21, 22, 23)]).length).toBe(2);
  });
});

describe('the sweep', () => {
  it('finds a holder behind a shorter hold of the newest', () => {
    const long = hold('A', 0, 1, 100);
    const inside = { ...hold('A2', 2, 3, 4, 5), owner: 'A' };
    const found = checkExclusion([long, inside, hold('B', 40, 50, 60, 61)]);
    expect(found).toMatchObject([{ holds: [{ id: 'A' }, { id: 'B' }], overlapMs: 10 }]);
  });

  it('finds a hold of no length inside another, and none where it only touches', () => {
    const a = hold('A', 0, 1, 5, 6);
    expect(checkExclusion([a, hold('B', 2, 3, 3, 4)])).toHaveLength(1);
    expect(checkExclusion([a, hold('B', 4, 5, 5, 6)])).toEqual([]);
    expect(checkExclusion([a, hold('B', 0, 1, 1, 2)])).toEqual([]);
  });

  it('reads 50,000 holds in well under ten seconds of one core', () => {
    const events: HistoryEvent[] = [];
    for (let n = 0; n < 50_000; n++) {
      const base = { process: `p${n % 8}`, key: `k${n % 5}`, hold: `h${n}`, owner: `h${n}` } as const;
      const acquire = { ...base, op: `a${n}`, f: 'acquire' } as const;
      const release = { ...base, op: `r${n}`, f: 'release' } as const;
      events.push({ ...acquire, t: n, kind: 'invoke' }, { ...acquire, t: n + 1, kind: 'ok', fence: BigInt(n) });
      events.push({ ...release, t: n + 4, kind: 'invoke' }, { ...release, t: n + 4.5, kind: 'ok' });
    }
    const before = process.cpuUsage();
    expect(checkHistory(events).verdict).toBe('valid');
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(10_000);
    expect(interpret(events).holds.length).toBe(50_000);
  });
});
