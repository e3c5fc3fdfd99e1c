import { describe, expect, it } from 'vitest';
import { runComparison } from '../src/compare/run.ts';
import { tablesOf } from '../src/compare/tables.ts';
import { judgeFault } from '../src/faults/judge.ts';
import { type PlayedRound, play } from '../src/faults/play.ts';
import type { Scenario } from '../src/faults/scenario.ts';
import { scenariosFor } from '../src/faults/scenarios.ts';
import type { Fault, FaultId, PartId } from '../src/report/schema.ts';

const redisScenario = (id: FaultId): Scenario => scenariosFor(['ioredis'], true).find((one) => one.id === id)!;

async function faultOnRedis(id: FaultId): Promise<Fault> {
  const scenario = redisScenario(id);
  return judgeFault(scenario, [await play(scenario)]);
}

describe('the comparison', () => {
  it('measures memory and Redis in quick mode, and says what it did not measure', { timeout: 240_000 }, async () => {
    const only: PartId[] = ['uncontended', 'contention', 'waiters', 'scale'];
    const report = await runComparison({ quick: true, only, backends: ['memory', 'ioredis'], rounds: 1 });

    expect(report.failures).toEqual([]);
    expect(report.backends.map(({ id }) => id)).toEqual(['memory', 'ioredis']);
    // Each, and the raw calls, one at a time and 64 in flight.
    expect(report.uncontended).toHaveLength(8);
    for (const { latencyUs, opsPerSecond } of report.uncontended) {
      expect(opsPerSecond.median).toBeGreaterThan(0);
      expect(latencyUs.p99).toBeGreaterThanOrEqual(latencyUs.p50);
    }
    for (const line of report.contention) expect(line).toMatchObject({ violations: 0 });
    expect(report.contention.filter(({ backend }) => backend === 'ioredis')).toHaveLength(4);
    expect(report.waiters.map(({ waiters }) => waiters)).toContain(1_000);
    expect(report.scale.every(({ lost }) => lost === 0)).toBe(true);
    const redis = report.scale.find(({ backend, locks }) => backend === 'ioredis' && locks === 1_000)!;
    expect(redis.requestsPerSecond).toBeGreaterThan(0);
    expect(redis.serverBytesPerLock).toBeGreaterThan(0);
    expect(report.growth.map(({ over }) => over)).toEqual(expect.arrayContaining(['locks', 'waiters']));
    expect(report.features.map(({ values }) => values.ioredis)).not.toContain(undefined);
    const left = report.notMeasured.filter(({ why }) => why.includes('--only')).map(({ part }) => part);
    expect(left).toEqual(['faults', 'rivals']);
    expect(JSON.parse(JSON.stringify(report)).uncontended).toHaveLength(8);
    expect(tablesOf(report)).toHaveLength(5);
  });
});

describe('a fault', () => {
  it('of a holder that is stopped for two TTLs lets nobody overlap, and the resource refuses its late writes', {
    timeout: 120_000,
  }, async () => {
    const fault = await faultOnRedis('holder-paused');
    expect(fault.violations).toEqual([]);
    expect(fault.overlapMs).toBe(0);
    expect(fault.nextHolderMs).toHaveLength(1);
    expect(fault.staleWrites.refused).toBeGreaterThan(0);
    expect(fault.staleWrites.accepted).toBe(0);
    expect(fault.timeline.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['granted', 'fault-begins', 'lease-ends', 'fault-ends', 'write-refused']),
    );
  });

  it('of a server that forgets everything shows as an overlap, so that the check is known to see one', {
    timeout: 240_000,
  }, async () => {
    const scenario = redisScenario('server-emptied');
    // The next one comes first, or the renewal that tells the holder: on a busy machine either may.
    const rounds: PlayedRound[] = [];
    let fault: Fault;
    do {
      rounds.push(await play(scenario));
      fault = judgeFault(scenario, rounds);
    } while (fault.overlapMs === 0 && rounds.length < 8);
    expect(fault.expected).not.toBe('');
    expect(fault.overlapMs).toBeGreaterThan(0);
    expect(fault.violations.join()).toContain('two holders');
  });

  it('of the clock of the holder does nothing to its lock', { timeout: 120_000 }, async () => {
    const fault = await faultOnRedis('clock-jump');
    expect(fault).toMatchObject({ holderKept: 1, violations: [], overlapMs: 0 });
  });
});
