import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { createCallTimeout } from '../src/call-timeout.ts';

const never = () => new Promise<never>(() => {});
const asIs = (error: unknown) => error;

it('gives each call its time, and no more', async () => {
  const timeout = createCallTimeout(200);
  const begin = performance.now();
  const ends: number[] = [];
  const first = timeout.within(never, asIs).catch((error) => {
    ends.push(performance.now() - begin);
    return error;
  });
  await sleep(100);
  const second = timeout.within(never, asIs).catch(() => ends.push(performance.now() - begin));
  expect(await timeout.within(async () => 'in time', asIs)).toBe('in time');
  await expect(
    timeout.within(
      () => Promise.reject(new Error('refused')),
      () => new Error('translated'),
    ),
  ).rejects.toThrow('translated');
  expect(await first).toMatchObject({ message: 'etcd gave no answer within 200 ms' });
  await second;
  expect(ends[0]).toBeGreaterThanOrEqual(199);
  expect(ends[1]).toBeGreaterThanOrEqual(299);
});

it('an answer that came while the process stood still counts', async () => {
  const timeout = createCallTimeout(50);
  const { port1, port2 } = new MessageChannel();
  // After these come the timers that are due, and only then what can be read.
  await new Promise(setImmediate);
  const answer = timeout.within(() => new Promise((resolve) => port1.once('message', resolve)), asIs);
  port2.postMessage('there');
  const until = performance.now() + 150;
  while (performance.now() < until);
  expect(await answer).toBe('there');
  port1.close();
});

it('tells when all calls are done, answered or not', async () => {
  const timeout = createCallTimeout(50);
  const unanswered = timeout.within(never, asIs).catch(() => 'given up');
  await timeout.allDone();
  expect(await Promise.race([unanswered, sleep(1_000)])).toBe('given up');
  await timeout.allDone();
});
