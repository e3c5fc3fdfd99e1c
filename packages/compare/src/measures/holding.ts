import { setTimeout as sleep } from 'node:timers/promises';
import { figure } from '../format.ts';
import type { Subject } from '../subjects/subject.ts';

export interface HoldTask {
  readonly locks: number;
  readonly ttlMs: number;
  /** When to stop taking more; default never. */
  readonly limitMs?: number;
}

// The time is looked at between these.
const atOnce = 1_000;

let batches = 0;
let letGo: (() => Promise<number>)[] = [];

/** Takes many locks and keeps them until `letGoOfAll`. @throws Error that says how far it came when the limit came first. */
export async function holdMany(subject: Subject, task: HoldTask): Promise<void> {
  const { locks, ttlMs, limitMs = Number.POSITIVE_INFINITY } = task;
  if (subject.hold === undefined) throw new Error('This subject renews nothing.');
  batches += 1;
  const keys = Array.from({ length: locks }, (_, i) => `held-${process.pid}-${batches}-${i}`);
  const begin = performance.now();
  for (let taken = 0; taken < locks; taken += atOnce) {
    const tookMs = performance.now() - begin;
    if (tookMs > limitMs) throw new Error(tooSlow(taken, locks, tookMs));
    letGo.push(await subject.hold(keys.slice(taken, taken + atOnce), ttlMs));
  }
}

function tooSlow(taken: number, locks: number, tookMs: number): string {
  return `Taking them took too long: ${figure(taken)} of ${figure(locks)} were held after ${figure(tookMs / 1_000)} s, ${figure(tookMs / taken)} ms each.`;
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
  let lost = 0;
  for (const some of letGo) lost += await some();
  letGo = [];
  return lost;
}
