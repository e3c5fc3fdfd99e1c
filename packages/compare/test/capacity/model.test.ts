import { describe, expect, it } from 'vitest';
import { curveOf, idleCost } from '../../src/capacity/curve.ts';
import { exceeded, limitsOf, serversFor, stopOf } from '../../src/capacity/limits.ts';
import { cores, memoryBytes } from '../../src/capacity/machine-size.ts';
import { type CapacityModel, capacityModels } from '../../src/capacity/model.ts';
import type { BackendId } from '../../src/report/schema.ts';
import { madeUpReport } from '../report-html/made-up-report.ts';

const report = madeUpReport();
const modelOf = (id: BackendId): CapacityModel => capacityModels(report).find(({ backend }) => backend.id === id)!;

describe('a cost', () => {
  const points = [
    { n: 1_000, cost: 11 },
    { n: 10, cost: 1 },
    { n: 100, cost: 2 },
  ];
  const steep = curveOf(points, { exponent: 2 }, 1)!;
  const flat = curveOf(points, { exponent: 0.5 }, 1)!;

  it('is the measured one where it was measured', () => {
    expect([10, 100, 1_000].map(steep)).toEqual([1, 2, 11]);
  });

  it('lies on straight lines between', () => {
    expect(steep(55)).toBeCloseTo(1.5, 9);
  });

  it('follows the fitted exponent above, but at least the one that is asked for', () => {
    expect(steep(3_000)).toBeCloseTo(99, 9);
    expect(flat(4_000)).toBeCloseTo(44, 9);
    expect(curveOf(points, { exponent: 0.5 }, 0)!(4_000)).toBeCloseTo(22, 9);
  });

  it('follows it below too, but at most in proportion', () => {
    expect(flat(2.5)).toBeCloseTo(0.5, 9);
    expect(steep(5)).toBeCloseTo(0.5, 9);
    expect(curveOf(points, { exponent: -0.1 }, 0)!(1)).toBe(1);
  });

  it('is in proportion where nothing was fitted, and none without a point', () => {
    const one = curveOf([{ n: 10, cost: 3 }], undefined, 1)!;
    expect([one(1), one(30)]).toEqual([expect.closeTo(0.3, 9), expect.closeTo(9, 9)]);
    expect(curveOf([], undefined, 1)).toBeUndefined();
  });

  it('without a lock is where the straight line begins, not below 0', () => {
    expect(
      idleCost([
        { n: 10, cost: 3 },
        { n: 110, cost: 13 },
      ]),
    ).toBeCloseTo(2, 9);
    expect(
      idleCost([
        { n: 10, cost: 1 },
        { n: 20, cost: 9 },
      ]),
    ).toBe(0);
    expect([idleCost([{ n: 10, cost: 1 }]), idleCost([])]).toEqual([0, 0]);
  });
});

describe('what locks need', () => {
  it('is what was measured, process by process', () => {
    // 100,000 locks in 10 processes are 10,000 in each: a measured point of the report.
    const need = modelOf('ioredis').need(100_000, 10);
    expect(need.requestsPerSecond).toBeCloseTo(10 * (0.2 + 0.002 * 10_000), 6);
    expect(need.serverCores).toBeCloseTo(0.001 + 1.7e-6 * 100_000, 6);
    expect(need.clientCores).toBeCloseTo(0.002 + 2.3e-6 * 10_000, 6);
    expect(need).toMatchObject({
      connections: 10,
      serverBytes: 51_200_000,
      clientBytes: 15_360_000,
    });
  });

  it('counts connections, sessions and leases by processes', () => {
    expect(modelOf('redlock').need(1_000, 1_000).connections).toBe(5_000);
    expect(modelOf('zookeeper').need(1_000, 10)).toMatchObject({ sessions: 10, leases: 0 });
    expect(modelOf('etcd').need(1_000, 10_000)).toMatchObject({ sessions: 0, leases: 1_000, connections: 10_000 });
  });

  it('lets only as many processes hold as there are locks', () => {
    expect(modelOf('ioredis').need(1_000, 10_000).locksPerProcess).toBe(1);
  });

  it('counts requests by process, and what the servers compute by locks, however they are spread', () => {
    const [few, many] = [10, 1_000].map((processes) => modelOf('ioredis').need(100_000, processes));
    expect(many!.serverCores).toBe(few!.serverCores);
    expect(many!.requestsPerSecond).toBeCloseTo(1_000 * (0.2 + 0.002 * 100), 0);
  });

  it('is marked where there are more locks than the servers held', () => {
    expect(modelOf('ioredis').need(50_001, 10).extrapolated).toBe(true);
    expect(modelOf('ioredis').need(50_000, 10).extrapolated).toBe(false);
  });

  it('is not known where it was not measured', () => {
    const scale = report.scale.map((point) => ({
      ...point,
      serverCpu: null,
      serverBytesPerLock: null,
      connections: null,
    }));
    const [, redis] = capacityModels({ ...report, scale });
    expect(redis!.need(1_000, 10)).toMatchObject({ serverCores: null, serverBytes: null, connections: null });
    expect(capacityModels({ ...report, scale: [] })).toEqual([]);
    const unseen = report.scale.map((point) => ({ ...point, connections: 0 }));
    expect(
      capacityModels({ ...report, scale: unseen })
        .at(-1)!
        .need(1_000, 10).connections,
    ).toBeNull();
  });
});

describe('where it stops', () => {
  it('is where the first thing runs out, to a thousandth', () => {
    const model = modelOf('ioredis');
    const limits = limitsOf(report, model);
    const { locks, limit } = stopOf(model, limits, 10);
    expect(limit!.what).toBe('the one core that Redis runs commands on');
    // 0.001 + 1.7e-6 for each lock is one core.
    expect(locks / 587_647).toBeCloseTo(1, 1);
    expect(exceeded(limits, model.need(locks, 10))).toEqual([]);
    expect(exceeded(limits, model.need(Math.ceil(locks * 1.01), 10))).not.toEqual([]);
  });

  it('is nowhere above 0 when the connections alone are too many', () => {
    const model = modelOf('ioredis');
    const { locks, limit } = stopOf(model, limitsOf(report, model), 10_001);
    expect([locks, limit!.what]).toEqual([0, 'maxclients of Redis (10,000 by default)']);
  });

  it('is gone past with as many servers as the CPU or the memory asks for', () => {
    const model = modelOf('ioredis');
    const need = model.need(1_000_000, 100);
    expect(serversFor(limitsOf(report, model), need)).toBe(Math.ceil(need.serverCores!));
    expect(serversFor(limitsOf(report, model), model.need(1_000, 10))).toBe(1);
  });
});

it('the size of a machine is read from its description', () => {
  expect([cores({ cpu: '64 x Some Processor' }), cores({ cpu: 'unknown' })]).toEqual([64, 1]);
  expect([memoryBytes({ memory: '2 GiB' }), memoryBytes({ memory: '?' })]).toEqual([2 ** 31, Number.POSITIVE_INFINITY]);
});
