import { expect, it } from 'vitest';
import { inspectAll, type NodeGroup } from '../src/inspect.ts';
import type { NodeVote } from '../src/replies.ts';

/** Five nodes that answer in this order; those without an answer are frozen. */
function groupOf(answers: readonly (number | undefined)[]): NodeGroup {
  const nodes = answers.map((remainingMs, nth) => ({
    connected: true,
    error: (error: unknown) => error,
    async votes(): Promise<readonly NodeVote[]> {
      if (remainingMs === undefined) return new Promise(() => {});
      for (let turn = 0; turn < 10 * nth; turn += 1) await Promise.resolve();
      return [{ owner: 'one', first: 7, token: 7, mode: 'exclusive', limit: undefined, remainingMs }];
    },
  }));
  const after = (ms: number, callback: () => void): (() => void) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  };
  return { nodes, majority: 3, nodeTimeoutMs: 20, clock: { after } } as unknown as NodeGroup;
}

it('a hold lasts as long as a majority of its votes, also where a renewal has not reached those that answer first', async () => {
  const info = await inspectAll(groupOf([8_000, 8_000, 20_000, 20_001, 20_002]), 'a');
  expect(info).toMatchObject({ owner: 'one', fencingToken: 7n, remainingMs: 20_000 });
});

it('where the other nodes do not answer, it is what a majority is known to leave', async () => {
  expect(await inspectAll(groupOf([8_000, 20_000, 20_001, undefined, undefined]), 'a')).toMatchObject({
    remainingMs: 8_000,
  });
});
