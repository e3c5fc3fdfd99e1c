import type { LockAdapter } from '@holdfast/lock-core';
import { newOwner } from './context.ts';
import { type Harness, timingOf } from './harness.ts';

/** How long the suite waits for the calls by which it measures the latency, in ms. */
const mostMs = 10_000;
const never = new AbortController().signal;

/** What two clients of the harness show before the first case. */
export interface Probe {
  readonly adapterName: string;
  /** The methods that the adapter has, as it has them. */
  readonly offered: Partial<LockAdapter>;
  /** The shortest of some calls; 0 where none was answered. */
  readonly latencyMs: number;
}

/** @throws TypeError when the harness gives no adapter, or one client twice */
export async function probe(harness: Harness): Promise<Probe> {
  const one = await harness.adapter();
  checkAdapter(harness, one);
  const two = await harness.adapter();
  if (one === two) {
    await one.close?.();
    throw new TypeError(
      `The harness "${harness.name}" gives one client twice: "adapter" must make a new client each time it is called`,
    );
  }
  const latencyMs = await latencyOf(harness, one);
  await one.close?.();
  await two.close?.();
  return { adapterName: one.name, offered: one, latencyMs };
}

const required = ['tryAcquire', 'renew', 'release'] as const;

function checkAdapter({ name }: Harness, adapter: LockAdapter): void {
  const missing = required.filter((method) => typeof adapter?.[method] !== 'function');
  if (missing.length > 0)
    throw new TypeError(`The harness "${name}" gives no lock adapter: it has no ${missing.join(', no ')}`);
}

/** The shortest of three pairs of calls: the first of a new client connects it. */
async function latencyOf(harness: Harness, adapter: LockAdapter): Promise<number> {
  const times = await timesOf(harness, adapter);
  return times.length > 0 ? Math.min(...times) : 0;
}

/**
 * How long a call on a free key takes now, of a new client, where that is longer than `mostMs`: the backend, or the machine under it, is
 * starved, and what comes late says nothing about the adapter.
 */
export async function starvedNow(harness: Harness, mostMs: number): Promise<number | undefined> {
  const adapter = await harness.adapter();
  const times = await timesOf(harness, adapter);
  await adapter.close?.();
  // The first one connects. Without answers it is another matter than a slow one.
  const slowestMs = times.length < 3 ? 0 : Math.max(...times.slice(1));
  return slowestMs > mostMs ? slowestMs : undefined;
}

/** How long each of three pairs of calls took for a call, as far as they were answered in time. */
async function timesOf(harness: Harness, adapter: LockAdapter): Promise<number[]> {
  const { ttlMs } = timingOf(harness);
  const owner = newOwner();
  const times: number[] = [];
  const measure = async () => {
    for (let i = 0; i < 3; i++) {
      const startedAt = performance.now();
      const attempt = { key: `warm-up-${owner}`, owner: `${owner}${i}`, ttlMs, tokens: 1, signal: never };
      await adapter.tryAcquire(attempt);
      await adapter.release(attempt);
      times.push((performance.now() - startedAt) / 2);
    }
  };
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, mostMs);
  });
  // The cases say what is wrong with an adapter that does not answer.
  await Promise.race([measure().catch(() => {}), tooLong]);
  clearTimeout(timer);
  return times;
}
