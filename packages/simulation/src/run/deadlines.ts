import { keysOf } from '../schedule/all-steps.ts';
import type { Fault, LocksTerms, Schedule, Step } from '../schedule/types.ts';

/** What a call may count on: the options that it has itself, else those of its `Locks`, else the defaults of the library. */
export interface Terms {
  readonly ttlMs: number;
  readonly waitMs: number;
  readonly autoRenew: boolean;
  readonly maxHoldMs: number;
  readonly graceMs: number;
  readonly attemptTimeoutMs: number;
  readonly backendTimeoutMs: number;
}

export function termsOf({ clients }: Schedule, { client, locks, options }: Step): Terms {
  const of: LocksTerms = clients[client]?.locks[locks] ?? {};
  const ttlMs = options.ttlMs ?? of.ttlMs ?? 30_000;
  return {
    ttlMs,
    waitMs: options.waitMs ?? of.waitMs ?? Number.POSITIVE_INFINITY,
    autoRenew: options.autoRenew ?? of.autoRenew ?? true,
    maxHoldMs: options.maxHoldMs ?? of.maxHoldMs ?? Number.POSITIVE_INFINITY,
    graceMs: options.graceMs ?? 0,
    attemptTimeoutMs: of.attemptTimeoutMs ?? attemptMs(ttlMs),
    backendTimeoutMs: of.backendTimeoutMs ?? 10_000,
  };
}

const attemptMs = (ttlMs: number): number => Math.max(1, Math.min(ttlMs / 3, 2_000));

/** How long a call may take whatever the backend does, with some time for timers; none for what may take as long as it likes. */
export function longestCallMs(schedule: Schedule, step: Step, what: string): number {
  const { waitMs, attemptTimeoutMs, backendTimeoutMs } = termsOf(schedule, step);
  const own = schedule.clients[step.client]?.locks[step.locks] ?? {};
  const atLocks = own.attemptTimeoutMs ?? attemptMs(own.ttlMs ?? 30_000);
  // A renewal may have made the lease longer, and with it the time for an attempt.
  const longestAttemptMs = own.attemptTimeoutMs ?? 2_000;
  // A server may fall silent when a wait is nearly over: the silence may then last for as long as a wait, or for an attempt.
  const silentMs = Math.max(attemptTimeoutMs, Math.min(backendTimeoutMs, waitMs));
  const bounds: Readonly<Record<string, number>> = {
    acquire: waitMs + silentMs,
    using: waitMs + silentMs,
    // Each of the keys may wait for an answer, and what was acquired is released before the call ends.
    acquireAll: waitMs + keysOf(step).length * silentMs + longestAttemptMs,
    tryAcquireAll: keysOf(step).length * attemptTimeoutMs + longestAttemptMs,
    tryAcquire: attemptTimeoutMs,
    release: longestAttemptMs,
    'second release': longestAttemptMs,
    renew: backendTimeoutMs + 4 * longestAttemptMs + 600,
    downgrade: backendTimeoutMs + 4 * longestAttemptMs + 600,
    // Its signal aborts before that.
    watch: 16_000,
    inspect: backendTimeoutMs + atLocks,
    forceRelease: 2 * (backendTimeoutMs + atLocks),
  };
  return (bounds[what] ?? Number.POSITIVE_INFINITY) * 1.01 + 150;
}

/** The periods in which a process gets no answer from the only server: its calls must not wait without limit. */
export function silences({ faults }: Schedule, client: number): readonly { from: number; until: number }[] {
  return faults.flatMap((fault) => {
    const isSilence =
      fault.kind === 'outage' ||
      fault.kind === 'freeze' ||
      ((fault.kind === 'silence' || fault.kind === 'stall') && fault.client === client);
    return isSilence ? [{ from: fault.at, until: fault.at + fault.ms }] : [];
  });
}

/** How long a message may be on its way, or its clean-up may stand still. One fault of each kind may hold it up. */
export function longestWayMs({ faults, network }: Schedule): number {
  const wayMs = network.mostMs + (network.slowRate > 0 ? network.slowMs : 0);
  return delaying.reduce((sum, kind) => {
    const delays = faults.map((fault) => (fault.kind === kind && 'ms' in fault ? fault.ms : 0));
    return sum + Math.max(0, ...delays);
  }, wayMs);
}

/**
 * How long after its grant a renewal under this lock may arrive that was on its way for longer than its lease and `backendTimeoutMs`,
 * which nobody counts with; Infinity if none can.
 */
export function arrivesTooLateAfterMs(schedule: Schedule, step: Step): number {
  const { ttlMs: usualMs, backendTimeoutMs } = termsOf(schedule, step);
  const countedMs = step.inside.map((deed) =>
    deed.do === 'renew' ? Math.min(deed.ttlMs ?? usualMs, usualMs) + backendTimeoutMs : Number.POSITIVE_INFINITY,
  );
  const leastMs = Math.min(...countedMs);
  // By the clock of its process, which may run fast.
  return longestWayMs(schedule) > leastMs ? leastMs * 0.99 : Number.POSITIVE_INFINITY;
}

const delaying: readonly Fault['kind'][] = ['stall', 'half-open', 'freeze', 'pause', 'suspend'];
