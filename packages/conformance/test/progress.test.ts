import { expect, it } from 'vitest';
import { memoryAdapter, memoryStore } from '../../adapter-memory/src/index.ts';
import { cases, type Harness, runConformance } from '../src/index.ts';

const store = memoryStore();
const harness: Harness = {
  name: 'memory',
  adapter: async () => memoryAdapter({ store }),
  capabilities: memoryAdapter().capabilities,
};
const chosen = cases.filter(({ alone }) => !alone).slice(0, 6);
const filter = ({ id }: { id: string }) => chosen.some((each) => each.id === id);

it('each result is told at once, and how many there will be', async () => {
  const told: string[] = [];
  const onResult = ({ id, outcome }: { id: string; outcome: string }, of: number) =>
    void told.push(`${id} ${outcome} of ${of}`);
  const { results } = await runConformance(harness, { filter, onResult });
  expect(told.toSorted()).toEqual(results.map(({ id, outcome }) => `${id} ${outcome} of 6`));
});

it('a run that is ended skips the cases that have not begun, and is not complete', async () => {
  const ending = new AbortController();
  const report = await runConformance(harness, {
    filter,
    concurrency: 1,
    signal: ending.signal,
    onResult: () => ending.abort(),
  });
  expect(report.counts).toMatchObject({ pass: 1, skip: 5 });
  expect(report.complete).toBe(false);
  expect(report.results.at(-1)?.reason).toBe('the run was ended before its turn');
});
