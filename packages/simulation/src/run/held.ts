import type { Lock } from '@holdfast/lock-core';
import type { Machine } from '../engine/machine.ts';
import { semaphore } from '../schedule/draw-modes.ts';
import type { Step } from '../schedule/types.ts';
import type { Terms } from './deadlines.ts';

/** Something that must not happen. */
export interface Failure {
  readonly rule:
    | 'two holders'
    | 'history'
    | 'never settles'
    | 'settles too late'
    | 'out of turn'
    | 'unfair'
    | 'stale write'
    | 'granted while pinned'
    | 'waits while the key is free'
    | 'held by nobody'
    | 'left behind'
    | 'timers left'
    | 'too many timers'
    | 'asks without a pause'
    | 'asks again'
    | 'too many requests'
    | 'unknown error'
    | 'unhandled rejection'
    | 'wrong answer';
  readonly message: string;
  readonly at: number;
}

/** A lock in somebody's hands, as the oracle sees it. */
export interface Held {
  readonly step: Step;
  readonly lock: Lock;
  readonly machine: Machine;
  /** Who it belongs to for the purposes of exclusion. */
  readonly identity: string;
  readonly name: string;
  readonly invokedAt: number;
  /** When the hold was asked for that it is, or that it re-enters. */
  askedAt: number;
  readonly grantedAt: number;
  readonly signal: AbortSignal | undefined;
  /** When its loss was first seen, or its release was called. */
  endedAt: number | undefined;
  endedBy: 'release' | 'lost' | undefined;
  excused: string | undefined;
  /** By then its holder must have heard that it is lost, or still have it. */
  excusedUntil: number;
  /** From then on, a renewal that arrives late may have shortened it without a fault of anybody. */
  shortFrom: number;
  /** How long its process had stood still when it was granted. */
  readonly stoodStillMs: number;
  readonly terms: Terms;
}

/** Whether a reader has joined another one of its process: it shares that one's lease, and nobody was asked. */
export const isJoined = (held: Held, other: Held, now: number): boolean =>
  held.invokedAt === now &&
  held.lock.mode === 'shared' &&
  other.lock.mode === 'shared' &&
  held.machine === other.machine &&
  held.step.locks === other.step.locks &&
  held.lock.fencingToken === other.lock.fencingToken;

/** Whether it is a hold of its own, with its own options, and no re-entry into another one. */
export const isOwn = ({ identity, machine, step }: Held): boolean => identity === `${machine.name} step ${step.id}`;

/** Whether these may be held at one time. */
export function goTogether(held: readonly Held[]): boolean {
  const permits = held.reduce((sum, { step }) => sum + (step.options.permits ?? 0), 0);
  if (permits > 0) return permits <= semaphore.limit;
  return held.every(({ lock }) => lock.mode === 'shared');
}
