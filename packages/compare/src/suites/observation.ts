import { channel } from 'node:diagnostics_channel';
import { figure, spreadText } from '../format.ts';
import type { CycleFigures } from '../measures/cycles.ts';
import { column, interleave } from '../rounds.ts';
import { median, ratios, spread } from '../stats.ts';
import { startSubjects } from '../subject-processes.ts';
import type { Suite } from '../suite.ts';

const [alone, observed] = ['nobody listens', 'somebody listens'];
const ops = ({ opsPerSecond }: CycleFigures): number => opsPerSecond;
/** An acquire and a release ask this often whether somebody listens: at its beginning, at the grant and at the release. */
const looks = 3;

/** What it costs that locks can be observed, as @holdfast/opentelemetry does, where nobody does. */
export const observation: Suite = {
  title:
    'Observation, on memory: locks whose diagnostics channels have no subscriber, as without @holdfast/opentelemetry',
  async run({ rounds, quick }, progress) {
    progress('starting');
    await using subjects = await startSubjects({
      [alone]: { kind: 'memory' },
      [observed]: { kind: 'memory', observed: true },
    });
    const names = [alone, observed];
    const measure = (name: string): Promise<CycleFigures> =>
      subjects.get(name)!.ask('cycles', { inFlight: 1, forMs: quick ? 200 : 500, oneKey: true });
    await interleave(names, 2, (text) => progress(`warming up, ${text}`), measure);
    const figures = await interleave(names, rounds ?? (quick ? 5 : 9), progress, measure);
    const lookS = secondsPerLook();
    const percent = column(figures, alone, ops).map((perSecond) => 100 * looks * lookS * perSecond);
    return {
      server: '',
      tables: [
        {
          title: 'Acquire and release of one lock. Ratios are within each round: median (half of the rounds).',
          head: ['', 'ops/s', 'ratio'],
          rows: names.map((name) => [
            name,
            figure(median(column(figures, name, ops))),
            name === alone ? '1' : spreadText(spread(ratios(column(figures, name, ops), column(figures, alone, ops)))),
          ]),
        },
      ],
      targets: [
        {
          what: 'part of acquire and release in which channels without a subscriber are looked at',
          value: spread(percent),
          limit: 1,
          better: 'less',
          unit: '%',
        },
      ],
      failures: [],
      rounds: Object.fromEntries(figures),
    };
  },
};

/** How long it takes to see that a channel has no subscriber, the shortest of some runs. */
function secondsPerLook(): number {
  const channels = Array.from({ length: looks }, (_, i) => channel(`holdfast-bench:${i}`));
  const times = 1_000_000;
  let [shortest, subscribed] = [Number.POSITIVE_INFINITY, 0];
  for (let run = 0; run < 10; run += 1) {
    const begin = performance.now();
    for (let i = 0; i < times; i += 1) if (channels[i % looks]!.hasSubscribers) subscribed += 1;
    shortest = Math.min(shortest, (performance.now() - begin) / 1_000 / times);
  }
  if (subscribed > 0) throw new Error('A channel of the bench has a subscriber.');
  return shortest;
}
