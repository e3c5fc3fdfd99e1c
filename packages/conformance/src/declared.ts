import type { Case } from './case.ts';
import type { Harness } from './harness.ts';
import type { CaseResult, Claim } from './report.ts';

interface Evidence extends Pick<Claim, 'name'> {
  /** The claim, where it is made. */
  readonly made: (harness: Harness) => boolean;
  /** All of these must pass; any one that was skipped leaves the claim unverified. */
  readonly cases: readonly Case['id'][];
  readonly wanting: string;
}

const evidence: readonly Evidence[] = [
  {
    name: 'fencing',
    made: ({ capabilities }) => capabilities.fencing,
    cases: ['LK-0053', 'LK-0058'],
    wanting: 'the cases for fencing',
  },
  {
    name: 'fifo',
    made: ({ capabilities }) => capabilities.fairness === 'fifo',
    cases: ['LK-0069', 'LK-0070'],
    wanting: 'the cases for the queue',
  },
  {
    name: 'session',
    made: ({ capabilities }) => capabilities.expiry === 'session',
    cases: ['LK-0016', 'LK-0050'],
    wanting: 'the hook "revoke"',
  },
  {
    name: 'push',
    made: ({ capabilities }) => capabilities.wakeup === 'push',
    cases: ['LK-0060'],
    wanting: 'the case for wake-ups',
  },
  {
    name: 'failover',
    made: ({ capabilities }) => capabilities.survivesFailover,
    cases: ['LK-0142'],
    wanting: 'the hook "failover"',
  },
  {
    name: 'crossProcess',
    made: ({ capabilities }) => capabilities.crossProcess,
    cases: ['LK-0145'],
    wanting: '"process" in the harness',
  },
  {
    name: 'shared',
    made: ({ capabilities }) => capabilities.shared === true,
    cases: ['LK-0200', 'LK-0207', 'LK-0211'],
    wanting: 'the cases for shared locks',
  },
  {
    name: 'permits',
    made: ({ capabilities }) => capabilities.permits === true,
    cases: ['LK-0212', 'LK-0213', 'LK-0217'],
    wanting: 'the cases for permits',
  },
];

/** What the harness declares, and whether the results verify it. */
export function claimsOf(harness: Harness, results: readonly CaseResult[]): Claim[] {
  const outcomes = new Map(results.map(({ id, outcome }) => [id, outcome]));
  return evidence
    .filter(({ made }) => made(harness))
    .map(({ name, cases, wanting }) => {
      const open = cases.filter((id) => outcomes.get(id) !== 'pass');
      if (open.length === 0) return { name, verified: true };
      return { name, verified: false, reason: `needs ${wanting} (${open.join(', ')})` };
    });
}
