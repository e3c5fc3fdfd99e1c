import { AssertionError } from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { isLockError, type LockAdapter } from '@holdfast/lock-core';
import type { Case, Gate, Need } from './case.ts';
import { checkHarness } from './check-harness.ts';
import { claimsOf } from './declared.ts';
import { type Harness, timingOf } from './harness.ts';
import { openContext, type RunSettings } from './open-context.ts';
import { probe, starvedNow } from './probe.ts';
import type { CaseResult, Claim } from './report.ts';
import { Inconclusive, TooLate } from './retrying-adapter.ts';
import { createTurns } from './turns.ts';

/** Processes take their time to start, on a busy machine a lot of it. */
const processMs = 60_000;

/** The share of a case's time by which its timers may be late before the time-outs of its locks prove nothing. */
const MOST_LAGGED = 0.4;

/** What a case needs that breaks connections, or stops what others work with. */
const disturbing: ReadonlySet<Need> = new Set(['servers', 'process', 'freeze', 'restart', 'failover', 'advance']);

/** A checked harness that is ready to run cases. */
export interface Suite {
  readonly adapterName: string;
  /** A case fails if it takes longer than this, in ms. Cases that start processes get more time. */
  readonly caseTimeoutMs: number;
  /** The seed of the random choices of the cases. */
  readonly seed: string;
  /** How long one call took at warm-up, in ms. */
  readonly latencyMs: number;
  readonly thorough: boolean;
  /** The declared capabilities, and whether these results verify them. */
  verified(results: readonly CaseResult[]): readonly Claim[];
  /** Runs a case when its turn comes; `around` may do without the run, and the turn ends with it. */
  run(testCase: Case, around?: (run: () => Promise<CaseResult>) => Promise<CaseResult>): Promise<CaseResult>;
}

/** Options of a run of the suite. */
export interface SuiteOptions {
  /** The seed of the random choices of the cases. Default: a new seed for each run, which the report shows. */
  readonly seed?: string | undefined;
  /** Default false. With true, the run takes a minute instead of seconds: it has more rounds of each race, and longer holds. */
  readonly thorough?: boolean | undefined;
  /** How long "eventually" lasts, in ms; replaces `timing.graceMs` of the harness. */
  readonly graceMs?: number | undefined;
  /** How many cases run at the same time, so that they wait for the end of leases together; default 24, and 32 on a fast backend. */
  readonly concurrency?: number | undefined;
}

/**
 * Prepares a run of the suite: determines once what the harness and its adapter offer, and how long a call takes.
 *
 * @throws TypeError for a mistake in the harness: something that is not an adapter, the same client twice, a capability flag that is
 * missing or has an invalid value, an unknown hook, or an unknown case in `knownFailing`
 */
export async function openSuite(given: Harness, options: SuiteOptions = {}): Promise<Suite> {
  const { graceMs, seed = randomBytes(4).toString('hex'), thorough = false, concurrency } = options;
  const harness = graceMs === undefined ? given : { ...given, timing: { ...given.timing, graceMs } };
  checkHarness(harness);
  const { adapterName, offered, latencyMs } = await probe(harness);
  const has = offers(harness, offered);
  const settings: RunSettings = { seed, thorough, latencyMs };
  const timing = timingOf(harness, latencyMs);
  const caseTimeoutMs = 8 * (timing.leaseMs + harness.capabilities.ttl.maxOvershootMs + timing.graceMs);

  async function attempt(testCase: Case): Promise<CaseResult> {
    const { id, level, rule, title } = testCase;
    const about = { id, level, rule, title };
    const reason = skipReason(testCase, harness, has);
    if (reason) return { ...about, outcome: 'skip', reason, ms: 0, measures: {} };
    const { context, wrongAnswers, lagged, close } = openContext(harness, id, settings);
    const startedAt = context.now();
    const errors: unknown[] = [];
    for (const step of [() => testCase.run(context), close]) {
      try {
        await context.soon(`${id} ends`, step(), caseTimeoutMs + (testCase.needs?.includes('process') ? processMs : 0));
      } catch (error) {
        errors.push(await orStarved(testCase, error, 2 * context.slackMs, lagged()));
      }
    }
    if ((errors.length === 0 || errors[0] instanceof Inconclusive) && wrongAnswers.size > 0)
      errors.unshift(new Error([...wrongAnswers].slice(0, 3).join('; ')));
    const result = { ...about, ms: context.now() - startedAt, measures: context.measures };
    if (errors.length === 0) return { ...result, outcome: 'pass' };
    if (errors[0] instanceof Inconclusive) return { ...result, outcome: 'skip', reason: errors[0].message };
    return { ...result, outcome: 'fail', reason: messageOf(errors[0]), error: errors[0] };
  }

  /** What came too late from a backend that is starved shows nothing; a case that slows it down itself is not excused. */
  async function orStarved({ needs = [] }: Case, error: unknown, mostMs: number, lagged: number): Promise<unknown> {
    const isUnanswered = isLockError(error, 'LOCK_BACKEND') && error.retryable;
    const isDisturbing = needs.some((need) => disturbing.has(need));
    // The time-outs of locks follow the clock, even if the case expected another error.
    const told = error instanceof AssertionError ? error.actual : error;
    if ((isLockError(told, 'LOCK_TIMEOUT') || (isUnanswered && !isDisturbing)) && lagged > MOST_LAGGED)
      return new Inconclusive(
        `this machine was starved: its timers were late by ${Math.round(100 * lagged)} % of the time`,
      );
    if (!(error instanceof TooLate || isUnanswered) || isDisturbing) return error;
    const starvedMs = await starvedNow(harness, mostMs).catch(() => undefined);
    if (starvedMs === undefined) return error;
    const [now, before] = [starvedMs, latencyMs].map((ms) => ms.toFixed(ms < 10 ? 1 : 0));
    return new Inconclusive(
      `the backend was starved: a call took ${now} ms, and ${before} ms at warm-up (${error.message})`,
    );
  }

  const turns = createTurns(latencyMs, timing.pollMs, concurrency);
  return {
    adapterName,
    caseTimeoutMs,
    seed,
    latencyMs,
    thorough,
    verified: (results) => claimsOf(harness, results),
    run(testCase, around = (run) => run()) {
      const run = async (): Promise<CaseResult> => {
        const result = await attempt(testCase);
        const known = harness.knownFailing?.[testCase.id];
        return known === undefined ? result : expectFailure(result, known);
      };
      return turns.take(testCase, () => around(run));
    },
  };
}

/** The result of a case that the harness says fails; what was skipped stays so, since it showed neither. */
function expectFailure(result: CaseResult, known: string): CaseResult {
  if (result.outcome === 'pass') {
    const reason = `it passes, but is listed in knownFailing (${known}): take it off the list`;
    return { ...result, outcome: 'unexpected-pass', reason };
  }
  if (result.outcome === 'skip') return result;
  return { ...result, outcome: 'known-failing', reason: `${known} (${result.reason})` };
}

/** The message of anything that was thrown, in one line where an assertion made it up. */
export function messageOf(error: unknown): string {
  if (error instanceof AssertionError && error.generatedMessage && 'expected' in error && error.operator !== '==')
    return `It must be ${inspect(error.expected)}, and is ${inspect(error.actual)}`;
  return error instanceof Error ? error.message : String(error);
}

const needReasons: Record<Need, string> = {
  enqueue: 'the adapter has no enqueue',
  whenFree: 'the adapter has no whenFree',
  renewMany: 'the adapter has no renewMany',
  inspect: 'the adapter has no inspect',
  keys: 'the adapter has no keys',
  forceRelease: 'the adapter has no forceRelease',
  lapse: 'holds end with their session, and the harness has no hook "revoke" to end one',
  servers: 'the harness has no "servers" to put a proxy before',
  process: 'the harness has no "process" by which another process makes a client',
  revoke: 'the harness has no hook "revoke"',
  freeze: 'the harness has no hook "freeze"',
  restart: 'the harness has no hook "restart"',
  advance: 'the harness has no hook "advance"',
  failover: 'the harness has no hook "failover"',
  namedForceRelease: 'forceRelease of the adapter takes no owner: it frees whoever holds the key',
};

function offers(harness: Harness, adapter: Partial<LockAdapter>): (need: Need) => boolean {
  const { capabilities, hooks = {} } = harness;
  return (need) => {
    switch (need) {
      case 'lapse':
        return hooks.revoke !== undefined || capabilities.expiry === 'ttl';
      case 'servers':
      case 'process':
        return harness[need] !== undefined;
      case 'revoke':
      case 'freeze':
      case 'restart':
      case 'advance':
      case 'failover':
        return hooks[need] !== undefined;
      case 'namedForceRelease':
        // The old contract had no owner to name; a function says how many arguments it takes.
        return (adapter.forceRelease?.length ?? 0) >= 2;
      default:
        return adapter[need] !== undefined;
    }
  };
}

function skipReason(testCase: Case, harness: Harness, has: (need: Need) => boolean): string | undefined {
  for (const [name, value] of Object.entries(testCase.requires ?? {})) {
    // What an adapter does not name, it does not have.
    const declared = harness.capabilities[name as keyof Gate] ?? false;
    if (declared !== value) return `the backend declares ${name}: ${declared}, the case is for ${value}`;
  }
  const missing = testCase.needs?.find((need) => !has(need));
  return missing && needReasons[missing];
}
