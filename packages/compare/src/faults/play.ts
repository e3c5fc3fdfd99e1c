import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type HistoryEvent, readHistoryFiles } from '@holdfast/conformance/history';
import { machineNow } from '../clock.ts';
import { type Actor, startActor } from './actor.ts';
import type { ActorPlan } from './actor-messages.ts';
import { startResource } from './resource.ts';
import type { Scenario } from './scenario.ts';

/** A holder that gets no lock by then does not get it before the fault. */
const grantMs = 1_500;
/** How long the next one may take after the fault is over, before it counts as not measured. */
const patienceMs = 45_000;
/** A holder that still has its lock so long after the fault has survived it. */
const survivedMs = 3_000;
const answerMs = 1_000;
/** After all is over: an old holder writes, and is refused. */
const aftermathMs = 500;

/** What one round of a fault left behind; moments by the machine's clock. */
export interface PlayedRound {
  readonly events: readonly HistoryEvent[];
  readonly faultAt: number;
  /** NaN when the fault had no end. */
  readonly endedAt: number;
  /** The next one had its grant before the fault: other work stalled the holder for longer than its lease. */
  readonly tooEarly: boolean;
  /** Whether the holder gave back its lock itself, since it had it still. */
  readonly kept: boolean;
  /** When a lock could be acquired again; NaN when it was not asked. */
  readonly serviceBackAt: number;
}

/** Lets a fault happen once, with a holder, one who waits, and a resource. @throws Error when nobody got the lock in time. */
export async function play({ backend, ttlMs, lastsMs, ofServers, open }: Scenario): Promise<PlayedRound> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-fault-'));
  const key = `fault-${randomUUID()}`;
  const files = { holder: join(folder, 'holder.jsonl'), next: join(folder, 'next.jsonl') };
  await using resource = await startResource();
  const scene = await open();
  try {
    const planOf = (label: ActorPlan['label'], url: string): ActorPlan => ({
      ...{ label, url, key, ttlMs },
      file: files[label],
      resource: resource.url,
    });
    await using holder = await startActor(planOf('holder', scene.holderUrl));
    await using next = await startActor(planOf('next', scene.nextUrl));
    await scene.before?.();
    const held = holder.ask('take');
    held.catch(() => {});
    await Promise.race([held, sleep(grantMs)]);
    const granted = next.ask('take').then(() => 'granted' as const);
    granted.catch(() => {});
    // The next one waits by then, and the holder has renewed a lease of some seconds.
    const tooEarly = (await Promise.race([granted, sleep(Math.min(ttlMs / 2, grantMs))])) === 'granted';

    const faultAt = machineNow();
    const began = Promise.resolve(scene.begin(holder));
    const serviceBack = ofServers ? began.then(() => next.ask('serviceBack')) : Promise.resolve(Number.NaN);
    await began;
    if (lastsMs > 0) await sleep(faultAt + lastsMs - machineNow());
    await scene.end?.(holder);
    const endedAt = scene.end === undefined ? Number.NaN : machineNow();

    const kept = await letPass(holder, granted, ttlMs, backend);
    const serviceBackAt = Number(await within(serviceBack, patienceMs, 'no lock could be acquired'));
    if (!kept) await untilTold(holder, ttlMs);
    await sleep(aftermathMs);
    return { events: readHistoryFiles(files.holder, files.next), faultAt, endedAt, tooEarly, kept, serviceBackAt };
  } finally {
    await scene.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Waits for the next grant; a holder that has survived releases its lock. Resolves to whether it did. */
async function letPass(holder: Actor, granted: Promise<'granted'>, ttlMs: number, backend: string): Promise<boolean> {
  if ((await Promise.race([granted, sleep(Math.min(ttlMs, survivedMs))])) === 'granted') return false;
  const kept = (await stateOf(holder)) === 'held';
  if (kept) holder.ask('release').catch(() => {});
  await within(granted, patienceMs, `nobody got the lock of ${backend}`);
  return kept;
}

/** A holder that believes in its lock while another has it must be told some time: the overlap lasts until then. */
async function untilTold(holder: Actor, ttlMs: number): Promise<void> {
  const end = machineNow() + ttlMs;
  while (machineNow() < end && (await stateOf(holder)) === 'held') await sleep(50);
}

/** `undefined` of a process that is gone. */
async function stateOf(holder: Actor): Promise<unknown> {
  return Promise.race([holder.ask('state'), sleep(answerMs)]);
}

async function within<T>(promise: Promise<T>, ms: number, otherwise: string): Promise<T> {
  const limit = new AbortController();
  const late = sleep(ms, undefined, { signal: limit.signal }).then(() => {
    throw new Error(`${otherwise} within ${ms / 1_000} s after the fault`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    limit.abort();
    late.catch(() => {});
  }
}
