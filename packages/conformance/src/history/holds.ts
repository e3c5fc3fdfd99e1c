import type { Claim } from '@holdfast/lock-core';
import type { HistoryEvent } from './events.ts';
import { groupBy } from './group-by.ts';

/** A hold that was reported to its holder. Its core, from `start` to `end`, is the time when it certainly had the key. */
export interface Hold {
  readonly id: string;
  readonly process: string;
  readonly key: string;
  readonly owner: string;
  /** What it was granted for; exclusive if absent. */
  readonly claim?: Claim | undefined;
  /** When `downgrade` was called. From then on, its holder relies only on a shared hold. */
  readonly sharedFrom?: number | undefined;
  /** Its first fencing token; `lastFence` is the last. `undefined` if it had none. */
  readonly fence: bigint | undefined;
  readonly lastFence: bigint | undefined;
  /** When it was first requested. */
  readonly invokedAt: number;
  /** When the grant was reported to the holder. */
  readonly start: number;
  /** When `release` was called, when it was lost, or when its lease ended, whichever came first; Infinity if nothing ended it. */
  readonly end: number;
  readonly endedBy: 'release' | 'lost' | 'deadline' | 'nothing';
  /** When the backend confirmed the release. Infinity if it did not: it may then have freed the key at any time after `end`. */
  readonly doneAt: number;
}

/** A request, with the interval from the call to its answer. */
export interface Call {
  readonly process: string;
  readonly key: string;
  readonly hold: string;
  readonly owner: string | undefined;
  readonly invokedAt: number;
  /** Infinity if there was no answer. */
  readonly returnedAt: number;
}

/** A place in the queue, which was requested at `invokedAt` and confirmed at `returnedAt`. */
export interface Place extends Call {
  /** Whether it led to a grant. */
  readonly granted: boolean;
}

/** A write to a resource that checks fencing tokens. */
export interface Write extends Call {
  readonly fence: bigint;
  readonly accepted: boolean;
}

/** The holds, requests and writes of a history, derived from its events. */
export interface History {
  readonly events: readonly HistoryEvent[];
  /** The holds, ordered by `start`. A grant that ended before it was reported is not included. */
  readonly holds: readonly Hold[];
  /** The requests that were refused because the key was busy. */
  readonly refusals: readonly Call[];
  /** The requests that may have been granted without the caller knowing. */
  readonly unanswered: readonly Call[];
  readonly places: readonly Place[];
  readonly writes: readonly Write[];
}

/** Derives the holds, requests and writes of a history from its events. */
export function interpret(events: readonly HistoryEvent[]): History {
  const inOrder = [...events].sort((a, b) => a.t - b.t);
  const stories = groupBy(inOrder, ({ hold, key }) => `${hold}\0${key}`);
  const holds: Hold[] = [];
  const refusals: Call[] = [];
  const unanswered: Call[] = [];
  const places: Place[] = [];
  const writes: Write[] = [];
  for (const story of stories.values()) {
    const hold = holdOf(story);
    if (hold && hold.start <= hold.end) holds.push(hold);
    for (const { invoke, queued, answer } of callsOf(story)) {
      const call = callOf(invoke, answer);
      if (invoke.f === 'write') writes.push({ ...call, fence: invoke.fence!, accepted: answer?.kind === 'ok' });
      if (invoke.f !== 'acquire') continue;
      if (queued) places.push({ ...call, returnedAt: queued.t, granted: answer?.kind === 'ok' });
      if (answer?.kind === 'fail' && answer.why === 'busy') refusals.push(call);
      if (answer?.kind !== 'ok' && answer?.kind !== 'fail' && !hold) unanswered.push(call);
    }
  }
  holds.sort((a, b) => a.start - b.start || a.end - b.end);
  return { events: inOrder, holds, refusals, unanswered, places, writes };
}

interface Pair {
  readonly invoke: HistoryEvent;
  queued?: HistoryEvent;
  answer?: HistoryEvent;
}

function callsOf(story: readonly HistoryEvent[]): Pair[] {
  const calls = new Map<string, Pair>();
  for (const event of story) {
    if (event.kind === 'invoke') calls.set(event.op, { invoke: event });
    const call = calls.get(event.op);
    if (!call) continue;
    if (event.kind === 'queued') call.queued = event;
    if (event.kind === 'ok' || event.kind === 'fail' || event.kind === 'info') call.answer = event;
  }
  return [...calls.values()];
}

function callOf(invoke: HistoryEvent, answer: HistoryEvent | undefined): Call {
  const { process, key, hold, owner } = invoke;
  const returnedAt = answer && answer.kind !== 'info' ? answer.t : Number.POSITIVE_INFINITY;
  return { process, key, hold, owner, invokedAt: invoke.t, returnedAt };
}

/** The story of one hold: what the holder could rely on, and until when. */
function holdOf(story: readonly HistoryEvent[]): Hold | undefined {
  const granted = story.find(({ f, kind }) => f === 'acquire' && kind === 'ok');
  const asked = story.find(({ f, kind }) => f === 'acquire' && kind === 'invoke');
  if (!granted || !asked) return undefined;
  const release = story.find(({ f, kind }) => f === 'release' && kind === 'invoke');
  const released = story.find(({ op, kind }) => op === release?.op && kind === 'ok');
  const lost = story.find(
    ({ f, kind }) => kind === 'lost' || ((f === 'renew' || f === 'downgrade') && kind === 'fail'),
  );

  const ends = [
    { at: release?.t, by: 'release' as const },
    { at: lost?.t, by: 'lost' as const },
    { at: deadlineOf(story), by: 'deadline' as const },
  ];
  let end = Number.POSITIVE_INFINITY;
  let endedBy: Hold['endedBy'] = 'nothing';
  for (const { at, by } of ends) {
    if (at === undefined || at >= end) continue;
    end = at;
    endedBy = by;
  }
  const downgrade = story.find(({ f, kind }) => f === 'downgrade' && kind === 'invoke');
  const { process, key, hold: id, fence, tokens = 1 } = granted;
  return {
    id,
    process,
    key,
    owner: granted.owner ?? id,
    claim: granted.claim,
    sharedFrom: downgrade?.t,
    fence,
    lastFence: fence === undefined ? undefined : fence + BigInt(tokens - 1),
    invokedAt: asked.t,
    start: granted.t,
    end,
    endedBy,
    doneAt: endedBy === 'release' && released ? released.t : Number.POSITIVE_INFINITY,
  };
}

/**
 * Until when the lease stands for certain. A request without an answer may yet arrive and shorten it: to its TTL from then, and
 * never to less than its TTL from the last request that was answered.
 */
function deadlineOf(story: readonly HistoryEvent[]): number | undefined {
  const invokedAt = new Map<string, number>();
  const doubtful = new Map<string, { ttlMs: number; until: number }>();
  let confirmed: number | undefined;
  let confirmedAt = Number.NEGATIVE_INFINITY;
  for (const { t, f, kind, op, deadline } of story) {
    if (kind === 'invoke') invokedAt.set(op, t);
    if (deadline === undefined) continue;
    if (kind === 'invoke' && f !== 'release') {
      doubtful.set(op, { ttlMs: deadline - t, until: deadline });
      continue;
    }
    const sentAt = invokedAt.get(op) ?? t;
    // Of two that were on their way together, either may have come last.
    const crossed = confirmed !== undefined && sentAt < confirmedAt;
    confirmed = crossed ? Math.min(confirmed!, deadline) : deadline;
    confirmedAt = t;
    if (f === 'hold') continue;
    doubtful.delete(op);
    for (const doubt of doubtful.values()) doubt.until = Math.max(doubt.until, sentAt + doubt.ttlMs);
  }
  if (confirmed === undefined) return undefined;
  return Math.min(confirmed, ...[...doubtful.values()].map(({ until }) => until));
}
