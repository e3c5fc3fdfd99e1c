import { setTimeout as sleep } from 'node:timers/promises';
import type { Contestant } from '../contestants/contestant.ts';

export interface HoldTask {
  readonly locks: number;
  readonly ttlMs: number;
}

let batches = 0;
let letGo: (() => Promise<number>) | undefined;

/** Takes many locks and keeps them until `letGoOfAll`. */
export async function holdMany(contestant: Contestant, { locks, ttlMs }: HoldTask): Promise<void> {
  if (contestant.hold === undefined) throw new Error('This contestant renews nothing.');
  batches += 1;
  const keys = Array.from({ length: locks }, (_, i) => `held-${process.pid}-${batches}-${i}`);
  letGo = await contestant.hold(keys, ttlMs);
}

/** CPU seconds of this process while it only keeps what it holds. */
export async function measureHolding(forMs: number): Promise<number> {
  const cpu = process.cpuUsage();
  await sleep(forMs);
  const { user, system } = process.cpuUsage(cpu);
  return (user + system) / 1e6;
}

/** Gives all back; answers how many had been lost. */
export async function letGoOfAll(): Promise<number> {
  const lost = await letGo?.();
  letGo = undefined;
  return lost ?? 0;
}
