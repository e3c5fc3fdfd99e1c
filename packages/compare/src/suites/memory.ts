import { figure, spreadText } from '../format.ts';
import type { CycleFigures } from '../measures/cycles.ts';
import { column, interleave } from '../rounds.ts';
import { median, ratios, spread } from '../stats.ts';
import { startSubjects } from '../subject-processes.ts';
import type { Suite } from '../suite.ts';

const ours = 'memory';
const theirs = 'async-mutex';
const ops = ({ opsPerSecond }: CycleFigures): number => opsPerSecond;

/** The memory adapter: a free lock again and again, against a mutex without a lease. */
export const memory: Suite = {
  title: 'Memory, one lock that is free: acquire and release one after another, against async-mutex',
  async run({ rounds, quick }, progress) {
    progress('starting');
    await using subjects = await startSubjects({ [ours]: { kind: 'memory' }, [theirs]: { kind: 'async-mutex' } });
    const names = [ours, theirs];
    const measure = (name: string): Promise<CycleFigures> =>
      subjects.get(name)!.ask('cycles', { inFlight: 1, forMs: quick ? 200 : 500, oneKey: true });
    await interleave(names, 2, (text) => progress(`warming up, ${text}`), measure);
    const figures = await interleave(names, rounds ?? (quick ? 5 : 15), progress, measure);
    const ratio = spread(ratios(column(figures, theirs, ops), column(figures, ours, ops)));
    return {
      server: '',
      tables: [
        {
          title: 'async-mutex / memory within each round: median (half of the rounds).',
          head: ['', 'ops/s', 'async-mutex / memory'],
          rows: names.map((name) => [
            name,
            figure(median(column(figures, name, ops))),
            name === ours ? spreadText(ratio) : '1',
          ]),
        },
      ],
      targets: [
        {
          what: 'memory: acquire and release on one key',
          value: spread(column(figures, ours, ops)),
          limit: 500_000,
          better: 'more',
          unit: '/s',
        },
        { what: 'memory: how many times faster async-mutex is', value: ratio, limit: 3, better: 'less', unit: '' },
      ],
      failures: [],
      rounds: Object.fromEntries(figures),
    };
  },
};
