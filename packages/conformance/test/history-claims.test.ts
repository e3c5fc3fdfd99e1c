import { type Claim, createLocks, type LockAdapter } from '@holdfast/lock-core';
import { expect, it } from 'vitest';
import { memoryAdapter, memoryStore } from '../../adapter-memory/src/index.ts';
import { checkExclusion, checkHistory, createRecorder, type Hold } from '../src/history/index.ts';
import { claimsAdapter, newClaimStore } from './support/claims-adapter.ts';

const shared: Claim = { mode: 'shared' };
const permits = (count: number): Claim => ({ mode: 'permits', permits: count, limit: 5 });
const never = new AbortController().signal;

function hold(owner: string, start: number, end: number, claim?: Claim, sharedFrom?: number): Hold {
  const about = { id: owner, process: 'p', key: 'k', owner, fence: undefined, lastFence: undefined };
  return { ...about, claim, sharedFrom, invokedAt: start - 1, start, end, endedBy: 'release', doneAt: end + 1 };
}

it('readers may overlap, and no writer may overlap any', () => {
  const [a, b, c] = [hold('a', 1, 31, shared), hold('b', 2, 7, shared), hold('c', 5, 29, shared)];
  expect(checkExclusion([a, b, c])).toEqual([]);
  expect(checkExclusion([a, b, c, hold('w', 31, 37)])).toEqual([]);
  expect(checkExclusion([a, b, c, hold('w', 11, 37)])).toMatchObject([
    { holds: [{ id: 'a' }, { id: 'w' }], overlapMs: 20 },
  ]);
  expect(checkExclusion([a, b, c, hold('w', 11, 11)])).toHaveLength(1);
  expect(checkExclusion([hold('w', 0, 4), a, b])).toHaveLength(2);
});

it('a writer that downgrades is a reader from its call on', () => {
  const writer = hold('w', 1, 31, undefined, 11);
  expect(checkExclusion([writer, hold('a', 11, 17, shared), hold('b', 13, 41, shared)])).toEqual([]);
  expect(checkExclusion([writer, hold('a', 10, 17, shared)])).toHaveLength(1);
  expect(checkExclusion([writer, hold('x', 23, 41)])).toHaveLength(1);
});

it('permits may overlap up to their limit', () => {
  const [a, b] = [hold('a', 1, 31, permits(2)), hold('b', 2, 7, permits(2))];
  expect(checkExclusion([a, b, hold('c', 3, 5, permits(1)), hold('d', 7, 9, permits(3))])).toEqual([]);
  const [found] = checkExclusion([a, b, hold('c', 3, 5, permits(2))]);
  expect(found).toMatchObject({ message: expect.stringMatching(/6 permits of 5/), overlapMs: 2 });
  expect(checkExclusion([a, hold('x', 3, 5)])).toHaveLength(1);
});

async function recorded(adapter: LockAdapter): Promise<ReturnType<typeof checkHistory>> {
  const recorder = createRecorder({ process: 'a' });
  const noted = recorder.adapter(adapter);
  const take = async (key: string, owner: string, claim?: Claim) => {
    const attempt = { key, owner, ttlMs: 30_011, tokens: 1, claim, signal: never };
    const outcome = await noted.tryAcquire(attempt);
    return outcome.status === 'granted' ? attempt : undefined;
  };
  const holds = [
    ...[await take('k', 'w1'), await take('k', 'early', shared)],
    ...[await take('pool', 'a', permits(3)), await take('pool', 'b', permits(2)), await take('pool', 'c', permits(2))],
  ];
  await noted.downgrade!({ key: 'k', owner: 'w1' }, 30_017);
  holds.push(await take('k', 'r1', shared), await take('k', 'w2'));
  for (const held of holds) if (held) await noted.release(held);
  return checkHistory(recorder.events);
}

it('of an adapter with claims the recorder passes them on and notes them', async () => {
  const { verdict, history } = await recorded(memoryAdapter());
  expect(verdict).toBe('valid');
  expect(history.holds.map(({ owner, claim }) => [owner, claim?.mode])).toEqual([
    ['w1', undefined],
    ['a', 'permits'],
    ['b', 'permits'],
    ['r1', 'shared'],
  ]);
});

it('an adapter that lets in a writer beside readers, or gives too many permits, is found', async () => {
  const fits = () => true;
  const { violations } = await recorded(claimsAdapter(newClaimStore(), { fits }));
  const said = violations.map(({ message }) => message).join('\n');
  expect(said).toMatch(/"k" had two holders/);
  expect(said).toMatch(/7 permits of 5/);
});

it('of Locks it notes shared locks and downgrades', async () => {
  const recorder = createRecorder({ process: 'a' });
  const store = memoryStore();
  const [one, two] = [recorder.locks(createLocks(memoryAdapter({ store }))), createLocks(memoryAdapter({ store }))];
  const other = recorder.locks(two);
  const lock = await one.acquire('k');
  await lock.downgrade();
  const reader = await other.acquire('k', { mode: 'shared' });
  await reader.release();
  await lock.release();
  expect(checkHistory(recorder.events)).toMatchObject({ verdict: 'valid', history: { holds: [{}, {}] } });
  await Promise.all([one.close(), two.close()]);
});
