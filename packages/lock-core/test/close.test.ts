import { expect, it } from 'vitest';
import { createLocks } from '../src/index.ts';
import { manualClock } from '../src/testing.ts';
import { faultyAdapter } from './support/faulty-adapter.ts';

it('a release that is under way is answered before the adapter is closed', async () => {
  const clock = manualClock();
  const adapter = faultyAdapter(clock);
  const locks = createLocks(adapter, { ttlMs: 3_000, clock });
  const lock = await locks.acquire('k');
  const { release } = adapter;
  const steps: string[] = [];
  adapter.release = async (hold) => {
    await new Promise<void>((resolve) => clock.setTimeout(resolve, 100));
    steps.push('released');
    return release(hold);
  };
  adapter.close = async () => void steps.push('closed');
  const ending = Promise.all([lock.release(), locks.close()]);
  await clock.advance(1_000);
  expect(await ending).toEqual(['released', undefined]);
  expect(steps).toEqual(['released', 'closed']);
});
