import type { LockAdapter } from '@holdfast/lock-core';
import type { Case, Gate, Need } from './case.ts';
import { cases } from './cases/index.ts';
import { badCapabilities, type Harness, timingOf } from './harness.ts';
import { Inconclusive, openContext } from './open-context.ts';

/** What became of one case. */
export interface CaseResult {
  readonly id: string;
  readonly level: 'MUST' | 'SHOULD';
  readonly title: string;
  readonly outcome: 'pass' | 'fail' | 'skip';
  /** Why it was skipped, or how it failed. */
  readonly reason?: string | undefined;
  readonly error?: unknown;
  readonly ms: number;
  /** Figures that the case took, by name. */
  readonly measures: Readonly<Record<string, number>>;
}

export interface Report {
  readonly harness: string;
  readonly adapter: string;
  readonly capabilities: Harness['capabilities'];
  readonly node: string;
  readonly results: readonly CaseResult[];
  readonly counts: { readonly pass: number; readonly fail: number; readonly skip: number };
  /** Promises that were rejected with nobody listening (H53); one of them fails the run. */
  readonly unhandled: readonly string[];
  /** True when every MUST passed or was skipped, and nothing was rejected unhandled. */
  readonly ok: boolean;
}

export interface RunOptions {
  /** Which cases to run; default all. */
  readonly filter?: ((testCase: Case) => boolean) | undefined;
  /** How many cases run side by side, so that the suite pays few TTLs; default 24. */
  readonly concurrency?: number | undefined;
}

/** A harness whose declarations were checked, ready to run cases. */
export interface Suite {
  readonly adapterName: string;
  /** No case takes longer: after this it is failed. */
  readonly caseTimeoutMs: number;
  run(testCase: Case): Promise<CaseResult>;
}

/** Looks once at what the harness and its adapter offer. @throws TypeError when a capability flag is missing or has no legal value. */
export async function openSuite(harness: Harness): Promise<Suite> {
  const bad = badCapabilities(harness.capabilities);
  if (bad.length > 0) {
    throw new TypeError(
      `The harness "${harness.name}" must declare every capability; missing or illegal: ${bad.join(', ')}`,
    );
  }
  const probe = await harness.adapter();
  const has = offers(harness, probe);
  await probe.close?.();
  const timing = timingOf(harness);
  const caseTimeoutMs = 8 * (timing.leaseMs + harness.capabilities.ttl.maxOvershootMs + timing.graceMs);

  return {
    adapterName: probe.name,
    caseTimeoutMs,
    async run(testCase) {
      const { id, level, title } = testCase;
      const reason = skipReason(testCase, harness, has);
      if (reason) return { id, level, title, outcome: 'skip', reason, ms: 0, measures: {} };
      const { context, close } = openContext(harness, id);
      const startedAt = context.now();
      const errors: unknown[] = [];
      for (const step of [() => testCase.run(context), close]) {
        try {
          await context.soon(`${id} ends`, step(), caseTimeoutMs);
        } catch (error) {
          errors.push(error);
        }
      }
      const result = { id, level, title, ms: context.now() - startedAt, measures: context.measures };
      if (errors.length === 0) return { ...result, outcome: 'pass' };
      if (errors[0] instanceof Inconclusive) return { ...result, outcome: 'skip', reason: errors[0].message };
      return { ...result, outcome: 'fail', reason: messageOf(errors[0]), error: errors[0] };
    },
  };
}

/** Runs the cases against a backend; never rejects for a failing case. @throws TypeError for an incomplete harness. */
export async function runConformance(harness: Harness, options: RunOptions = {}): Promise<Report> {
  const unhandled: string[] = [];
  const onUnhandled = (error: unknown) => void unhandled.push(messageOf(error));
  process.on('unhandledRejection', onUnhandled);
  try {
    const suite = await openSuite(harness);
    const chosen = cases.filter(options.filter ?? (() => true));
    const results = new Map<Case, CaseResult>();
    const queue = chosen.filter((testCase) => !testCase.alone);
    const worker = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) results.set(next, await suite.run(next));
    };
    await Promise.all(Array.from({ length: options.concurrency ?? 24 }, worker));
    for (const testCase of chosen) if (testCase.alone) results.set(testCase, await suite.run(testCase));
    // Rejections are reported a turn after they happen.
    await new Promise((resolve) => setImmediate(resolve));

    const inOrder = chosen.map((testCase) => results.get(testCase)!);
    const count = (outcome: string) => inOrder.filter((result) => result.outcome === outcome).length;
    return {
      harness: harness.name,
      adapter: suite.adapterName,
      capabilities: harness.capabilities,
      node: process.version,
      results: inOrder,
      counts: { pass: count('pass'), fail: count('fail'), skip: count('skip') },
      unhandled,
      ok: unhandled.length === 0 && !inOrder.some(({ outcome, level }) => outcome === 'fail' && level === 'MUST'),
    };
  } finally {
    process.off('unhandledRejection', onUnhandled);
  }
}

const needReasons: Record<Need, string> = {
  enqueue: 'the adapter has no enqueue',
  whenFree: 'the adapter has no whenFree',
  renewMany: 'the adapter has no renewMany',
  inspect: 'the adapter has no inspect',
  forceRelease: 'the adapter has no forceRelease',
  lapse: 'holds end with their session, and the harness has no hook "revoke" to end one',
  revoke: 'the harness has no hook "revoke"',
};

function offers(harness: Harness, adapter: LockAdapter): (need: Need) => boolean {
  const revoke = harness.hooks?.revoke !== undefined;
  return (need) => {
    if (need === 'revoke') return revoke;
    if (need === 'lapse') return revoke || harness.capabilities.expiry === 'ttl';
    return adapter[need] !== undefined;
  };
}

function skipReason(testCase: Case, harness: Harness, has: (need: Need) => boolean): string | undefined {
  for (const [name, value] of Object.entries(testCase.requires ?? {})) {
    const declared = harness.capabilities[name as keyof Gate];
    if (declared !== value) return `the backend declares ${name}: ${declared}, the case is for ${value}`;
  }
  const missing = testCase.needs?.find((need) => !has(need));
  return missing && needReasons[missing];
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
