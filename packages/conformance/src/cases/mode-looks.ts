import assert from 'node:assert/strict';
import type { LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import { assertRelease } from './assert-release.ts';
import { exclusive, type Held, permits, shared, takeClaim } from './claim-holds.ts';

/** What `inspect` reports for a key with several holders. */
export const modeLookCases: readonly Case[] = [
  {
    id: 'LK-0210',
    level: 'MUST',
    rule: 'C-178',
    title: 'inspect tells that a key is shared, by how many, and who came first; and an exclusive holder alone',
    hazards: [],
    requires: { shared: true },
    needs: ['inspect'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const writer = await takeClaim(context, two, key, exclusive);
      assert.deepEqual(await lookAt(one, key), {
        owner: writer.owner,
        mode: 'exclusive',
        holders: 1,
        limit: undefined,
      });
      await assertRelease(two.release(writer));
      const readers: Held[] = [];
      for (const adapter of [two, one, two, one]) readers.push(await takeClaim(context, adapter, key, shared));
      for (const reader of [readers[2]!, readers[0]!, readers[3]!, readers[1]!]) {
        const [earliest] = readers;
        const seen = { owner: earliest!.owner, mode: 'shared', holders: readers.length, limit: undefined };
        assert.deepEqual(await lookAt(one, key), seen, 'inspect of a key that is shared');
        readers.splice(readers.indexOf(reader), 1);
        await assertRelease(reader.adapter.release(reader));
      }
      assert.equal(await one.inspect!(key), undefined, 'All readers have left, and inspect tells of one');
    },
  },
  {
    id: 'LK-0220',
    level: 'MUST',
    rule: 'C-178',
    title: 'inspect tells the limit of a semaphore, how many hold permits of it, and who came first',
    hazards: [],
    requires: { permits: true },
    needs: ['inspect'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const holds: Held[] = [];
      for (const [i, count] of [3, 1, 5].entries())
        holds.push(await takeClaim(context, [one, two][i % 2]!, key, permits(count, 11)));
      while (holds.length > 0) {
        const seen = { owner: holds[0]!.owner, mode: 'permits', holders: holds.length, limit: 11 };
        assert.deepEqual(await lookAt(two, key), seen, 'inspect of a semaphore');
        const hold = holds.shift()!;
        await assertRelease(hold.adapter.release(hold));
      }
      assert.equal(await one.inspect!(key), undefined, 'All permits were given back, and inspect tells of a holder');
    },
  },
];

async function lookAt(adapter: LockAdapter, key: string): Promise<object | undefined> {
  const info = await adapter.inspect!(key);
  if (info === undefined) return undefined;
  const { owner, mode = 'exclusive', holders = 1, limit } = info;
  return { owner, mode, holders, limit };
}
