import { expect, it } from 'vitest';
import { createCircuitBreaker } from '../src/circuit-breaker.ts';
import { enoughAnswer, tooFewAnswer } from '../src/ready.ts';
import type { RedisNode } from '../src/redis-node.ts';

/** Three connected nodes, each with a command that it does not answer, and a probe on its way. */
async function silentNodes() {
  let at = 0;
  const nodes = Array.from({ length: 3 }, () => {
    const breaker = createCircuitBreaker(() => at, 100);
    breaker.sent();
    breaker.admits();
    return { ready: true, breaker, error: (error: unknown) => error } as unknown as RedisNode;
  });
  at = 1_000;
  for (const { breaker } of nodes) breaker.admits();
  await new Promise((resolve) => setImmediate(resolve));
  for (const { breaker } of nodes) expect(breaker.admits()).toBe(true);
  let timeUp = (): void => {};
  const after = (callback: () => void) => {
    timeUp = callback;
    return () => {};
  };
  return { nodes, timeUp: () => timeUp(), readiness: { nodes, majority: 2, after } };
}

it('H116: who waits for silent nodes goes on with the answer that makes a majority', async () => {
  const { nodes, readiness } = await silentNodes();
  expect(tooFewAnswer(nodes, 2)).toBe(true);
  let done = false;
  const waiting = enoughAnswer(readiness, new AbortController().signal).finally(() => {
    done = true;
  });
  nodes[0]!.breaker.answered();
  await new Promise((resolve) => setImmediate(resolve));
  expect(done).toBe(false);
  nodes[2]!.breaker.answered();
  expect(await waiting).toBeUndefined();
  expect(tooFewAnswer(nodes, 2)).toBe(false);
});

it.each(['time', 'signal'])(
  'H116: who waits for silent nodes is told which they are at the end of its %s',
  async (by) => {
    const { timeUp, readiness } = await silentNodes();
    const end = new AbortController();
    const waiting = enoughAnswer(readiness, end.signal);
    if (by === 'time') timeUp();
    else end.abort();
    expect(await waiting).toEqual(Array(3).fill('it does not answer'));
  },
);

it('H116: a node that is silent for ten minutes is asked a few times, however often locks are asked for', async () => {
  let at = 0;
  const breaker = createCircuitBreaker(() => at, 100);
  breaker.sent();
  breaker.admits();
  at = 1_000;
  breaker.admits();
  await new Promise((resolve) => setImmediate(resolve));
  let probes = 0;
  for (const until = at + 600_000; at < until; at += 5) if (breaker.admits()) probes += 1;
  expect(probes).toBeGreaterThan(5);
  expect(probes).toBeLessThan(45);
  breaker.answered();
  expect(breaker.admits()).toBe(true);
});
