import type { LockAdapter } from '@holdfast/lock-core';
import type { Case } from './case.ts';
import type { Harness } from './harness.ts';
import { runConformance } from './run.ts';

/** A bug that the self-test injected into the adapter of a harness, and whether the suite found it. */
export interface SelfTestResult {
  readonly bug: string;
  /** The cases that were run for it. */
  readonly cases: readonly Case['id'][];
  readonly found: boolean;
}

interface Bug {
  readonly bug: string;
  readonly cases: readonly Case['id'][];
  readonly around: (right: LockAdapter) => Partial<LockAdapter>;
}

const bugs: readonly Bug[] = [
  {
    bug: 'whoever asks for a key is granted it',
    cases: ['LK-0006', 'LK-0007'],
    around: (right) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        const fencingToken = right.capabilities.fencing ? 1n : undefined;
        return outcome.status === 'granted' ? outcome : { status: 'granted', fencingToken, validForMs: attempt.ttlMs };
      },
    }),
  },
  {
    bug: 'a release is answered and not made',
    cases: ['LK-0029', 'LK-0030'],
    around: () => ({ release: async () => 'released' }),
  },
  {
    bug: 'every renewal is answered with "renewed"',
    cases: ['LK-0021', 'LK-0031'],
    around: () => ({ renew: async (_, ttlMs) => ({ status: 'renewed', validForMs: ttlMs }) }),
  },
  {
    bug: 'the holder that asks again is refused its own lock',
    cases: ['LK-0024'],
    around(right) {
      const asked = new Set<string>();
      return {
        async tryAcquire(attempt) {
          const again = asked.has(attempt.owner);
          const outcome = again ? ({ status: 'busy' } as const) : await right.tryAcquire(attempt);
          if (outcome.status === 'granted') asked.add(attempt.owner);
          return outcome;
        },
      };
    },
  },
  {
    bug: 'the answer to a busy key is text where a number belongs',
    cases: ['LK-0006'],
    around: (right) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        return outcome.status === 'busy' ? { status: 'busy', retryAfterMs: '250' as unknown as number } : outcome;
      },
    }),
  },
];

/**
 * Checks that a harness can fail: injects one bug after another into its adapter, and runs the cases that must find it. If a bug is not
 * found, the harness does not test its adapter properly, such as if its clients do not share a backend.
 */
export async function selfTest(harness: Harness): Promise<readonly SelfTestResult[]> {
  const results: SelfTestResult[] = [];
  for (const { bug, cases, around } of bugs) {
    const adapter: Harness['adapter'] = async (at) => {
      const right = await harness.adapter(at);
      const wrong = around(right);
      return new Proxy(right, {
        get: (target, name) => Reflect.get(name in wrong ? wrong : target, name),
      });
    };
    const report = await runConformance(
      { ...harness, adapter, knownFailing: undefined },
      { filter: ({ id }) => cases.includes(id) },
    );
    results.push({ bug, cases, found: !report.ok });
  }
  return results;
}
