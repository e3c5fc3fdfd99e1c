import { performance } from 'node:perf_hooks';
import { type AcquireAttempt, type Granted, LockError } from '@holdfast/lock-core';
import type { LockKeys } from './keys.ts';
import type { RedisLockState } from './requests.ts';

/** How often a process says that it still waits, which is also how long a lost message goes unnoticed. */
export const beatMs = 1_000;
/** However soon the lease of the holder is over. */
export const soonestBeatMs = 50;
/** For how long the server may be silent before a place is given up. It is restored after a failover until then. */
export const longestSilenceMs = 8_000;
/** A subscription outlasts its last waiter for so long, since the next one is often near. */
const lingerMs = 1_000;

const { setTimeout: startTimer, clearTimeout: stopTimer } = globalThis;

/** One caller that waits in the queue of a key. */
export interface Place {
  readonly attempt: AcquireAttempt;
  granted(): Promise<Granted>;
  /** Further calls of the same owner. */
  readonly whenQueued: (() => void)[];
  readonly keys: LockKeys;
  readonly channel: string;
  readonly calledAt: number;
  /** `0` until the server has given it one. */
  ticket: string;
  /** When the server was last heard of. */
  answeredAt: number;
  beatAt: number;
  /** The last beat for it, as long as that has no answer. Never rejects. */
  beating: Promise<void> | undefined;
  /** Requests that would take the lock for its whole lease, and have no answer. */
  asking: number;
  /** A claim is wanted once the one that is under way is answered. */
  claimAgain: boolean;
  /** Nothing more is asked for it, and nothing that the server says of it counts. */
  done: boolean;
  /** The server has nothing of it any more. */
  isGone: boolean;
  /** A release of its owner was sent. */
  isWithdrawn: boolean;
  settle(outcome: Granted | undefined, error?: unknown): void;
}

/** Those who wait for one key, and the subscription to its channel. */
interface Line {
  readonly places: Set<Place>;
  readonly listening: AbortController;
  idle: NodeJS.Timeout | undefined;
}

/** The first requests of one owner that have no answer, and what has happened meanwhile. */
export interface Asking {
  requests: number;
  /** The message of the grant may be here before the place. */
  isGranted: boolean;
  /** The release may be sent before the place is here. */
  isWithdrawn: boolean;
}

export interface Waiting {
  readonly state: RedisLockState;
  readonly byOwner: Map<string, Place>;
  readonly lines: Map<string, Line>;
  readonly asking: Map<string, Asking>;
  /** Keeps the places, and plans the next beat. */
  beat(): void;
  timer: NodeJS.Timeout | undefined;
  timerAt: number;
  closed: boolean;
}

export const now = (): number => performance.now();

/** No repetition changes it. */
export const isDefinite = (error: unknown): boolean => error instanceof LockError && !error.retryable;

/** Plans the next beat of a place. */
export function wait(waiting: Waiting, place: Place, forMs: number): void {
  place.beatAt = now() + Math.max(soonestBeatMs, Math.min(forMs, beatMs));
  plan(waiting, place.beatAt);
}

/** Has the timer fire at this time, or earlier. */
export function plan(waiting: Waiting, at: number): void {
  if (waiting.closed || (waiting.timer !== undefined && waiting.timerAt <= at)) return;
  stopTimer(waiting.timer);
  waiting.timerAt = at;
  waiting.timer = startTimer(() => waiting.beat(), Math.max(0, at - now()));
  waiting.timer.unref();
}

/** Nothing more is asked for a place. */
export function end(waiting: Waiting, place: Place): void {
  place.done = true;
  if (waiting.byOwner.get(place.attempt.owner) === place) waiting.byOwner.delete(place.attempt.owner);
  const line = waiting.lines.get(place.channel);
  if (line === undefined || !line.places.delete(place) || line.places.size > 0) return;
  line.idle = startTimer(() => {
    waiting.lines.delete(place.channel);
    line.listening.abort();
  }, lingerMs);
  line.idle.unref();
}

/** Listens to the channel of the place; where that is refused, beats find out what there is. */
export function listen(waiting: Waiting, place: Place): void {
  let line = waiting.lines.get(place.channel);
  if (line === undefined) {
    line = { places: new Set(), listening: new AbortController(), idle: undefined };
    waiting.lines.set(place.channel, line);
    waiting.state.hints.whenFree(place.channel, line.listening.signal).catch(() => {});
  }
  stopTimer(line.idle);
  line.places.add(place);
}
