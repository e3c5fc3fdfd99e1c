import { describe, expect, it } from 'vitest';
import { type Candidate, ranked } from '../../src/report/html/ranking.ts';
import { type Recommendation, recommendations } from '../../src/report/html/recommend.ts';
import type { Report } from '../../src/report/schema.ts';
import { madeUpReport } from './made-up-report.ts';

const report = madeUpReport();

function of(changed: Partial<Report>, use: RegExp): Recommendation {
  const found = recommendations({ ...report, ...changed }).find((each) => use.test(each.use));
  return found!;
}

describe('a recommendation', () => {
  it('names the fastest, with its figures and those of the others', () => {
    const { answer, backends, because } = of({}, /Many short locks/);
    expect(backends).toEqual(['ioredis']);
    expect(answer).toBe('Redis (ioredis)');
    expect(because[0]).toBe('Redis (ioredis) 92,563 locks/s.');
    expect(because[1]).toMatch(
      /^Then Redis \(node-redis\) 71,202 locks\/s, .* The best is 1\.30 times as good as the next\.$/,
    );
  });

  it('changes with the figures', () => {
    const uncontended = report.uncontended.map((point) =>
      point.backend === 'etcd' && point.inFlight === 64
        ? { ...point, opsPerSecond: { median: 500_000, low: 490_000, high: 510_000 } }
        : point,
    );
    expect(of({ uncontended }, /Many short locks/).answer).toBe('etcd');
  });

  it('says beside a fast backend how it loses a lock', () => {
    expect(of({}, /Many short locks/).because.slice(-2)).toEqual([
      'Note: Redis (ioredis) may grant a lock to two holders when the leading server dies.',
      'In this run, Redis (ioredis) had two holders at once in this case: The leader is killed (Sentinel).',
    ]);
    const promised = report.features.map((feature) => ({ ...feature, values: { ...feature.values, ioredis: 'yes' } }));
    expect(of({ faults: [], features: promised }, /Many short locks/).because.join(' ')).not.toMatch(
      /Note:|two holders at once/,
    );
  });

  it('ranks all that were measured', () => {
    const { places } = of({}, /Many short locks/);
    expect(places.map(({ name }) => name)).toEqual([
      ...['Redis (ioredis)', 'Redis (node-redis)', 'Redlock', 'PostgreSQL', 'ZooKeeper', 'etcd'],
    ]);
    expect(places.map(({ best }) => best)).toEqual([true, false, false, false, false, false]);
  });

  it('leaves out, for the loss of a server, who does not promise to hold, and who did not', () => {
    const plain = of({}, /must hold/);
    expect(plain.answer).toBe('ZooKeeper, 3 servers');
    expect(plain.because).toContain(
      'Ruled out (not guaranteed): Redis (ioredis); Redis (node-redis); Redlock; PostgreSQL.',
    );
    const faults = report.faults.map((fault) =>
      fault.backend === 'zookeeper' && fault.id === 'holder-paused' ? { ...fault, violations: ['two'] } : fault,
    );
    const broken = of({ faults }, /must hold/);
    expect(broken.answer).toBe('etcd, 3 servers');
    expect(broken.because.join(' ')).toContain(
      'Ruled out (two holders at once: The process of the holder is stopped for 4 s): ZooKeeper.',
    );
  });

  it('leaves out who lost locks, or let two in', () => {
    const scale = report.scale.map((point) => (point.backend === 'ioredis' ? { ...point, lost: 3 } : point));
    expect(of({ scale }, /Very many locks/).because).toContain('Ruled out (3 locks were lost): Redis (ioredis).');
    const contention = report.contention.map((point) =>
      point.backend === 'ioredis' ? { ...point, violations: 2 } : point,
    );
    expect(of({ contention }, /many processes contend/).answer).toBe('Redis (node-redis)');
  });

  it('compares numbers of locks that all backends were measured with', () => {
    const scale = report.scale.filter(({ backend, locks }) => backend !== 'zookeeper' || locks < 50_000);
    expect(of({ scale }, /Very many locks/).because[0]).toContain('for 10,000 locks');
  });

  it('takes no difference for one that the moment of a kill between two renewals makes', () => {
    const kill = (backend: string, ttls: number) => ({
      ...report.faults.find((fault) => fault.backend === backend && fault.id === 'holder-killed')!,
      nextHolderMs: [ttls * 2_000],
    });
    const names = (faults: Report['faults']) => of({ faults }, /crashed holder/).backends;
    expect(names([kill('etcd', 0.9), kill('zookeeper', 1.15)])).toEqual(['etcd', 'zookeeper']);
    expect(names([kill('etcd', 0.8), kill('zookeeper', 1.3)])).toEqual(['etcd']);
  });

  it('is none where nothing was measured', () => {
    const nothing = { uncontended: [], contention: [], scale: [], faults: [] };
    for (const { answer, because, backends } of recommendations({ ...report, ...nothing })) {
      expect(answer).toBe('No answer');
      expect(backends).toEqual([]);
      expect(because).toEqual(['Not measured in this run.']);
    }
  });
});

describe('the ranking', () => {
  const candidate = (name: string, value: number, low = value, high = value): Candidate => ({
    ...{ backend: 'etcd', name, value, low, high },
  });
  const names = (all: readonly Candidate[]) => all.map(({ name }) => name);

  it('does not tell apart what a tenth or the spread of the rounds covers', () => {
    const { winners, others } = ranked([candidate('a', 100), candidate('b', 92), candidate('c', 80)], 'more');
    expect(names(winners)).toEqual(['a', 'b']);
    expect(names(others)).toEqual(['c']);
    expect(names(ranked([candidate('a', 100, 60, 120), candidate('b', 70, 50, 90)], 'more').winners)).toEqual([
      'a',
      'b',
    ]);
  });

  it('takes the least where less is better', () => {
    const { winners, others, lead } = ranked([candidate('a', 300), candidate('b', 100)], 'less');
    expect([names(winners), names(others), lead]).toEqual([['b'], ['a'], '3.00']);
  });
});
