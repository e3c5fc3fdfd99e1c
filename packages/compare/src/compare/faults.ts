import { setTimeout as sleep } from 'node:timers/promises';
import { judgeFault } from '../faults/judge.ts';
import { type PlayedRound, play } from '../faults/play.ts';
import type { Scenario } from '../faults/scenario.ts';
import { scenariosFor } from '../faults/scenarios.ts';
import type { Fault, Report } from '../report/schema.ts';
import { type PartContext, reasonOf } from './part.ts';

/** They mostly wait, so several at a time: the parts before have had the machine for themselves. */
const atOnce = { quick: 8, full: 6 };
/** Three processes each start at the same time otherwise. */
const staggerMs = 150;

/** Everything that breaks, on each backend. */
export async function faults(context: PartContext): Promise<Partial<Report>> {
  const { backends, quick, progress } = context;
  const ids = backends.map(({ id }) => id);
  if (ids.includes('memory')) {
    context.notMeasured(
      'memory',
      'all faults',
      'The lock and everybody who wants it are in one process, and end with it.',
    );
  }
  const scenarios = scenariosFor(ids, quick);
  const rounds = context.rounds ?? (quick ? 1 : 2);
  progress.expect(scenarios.length * rounds);
  // The longest first.
  const queue = scenarios.toSorted((a, b) => b.ttlMs + b.lastsMs - a.ttlMs - a.lastsMs);
  const results = new Map<Scenario, Fault>();
  const worker = async (number: number): Promise<void> => {
    await sleep(number * staggerMs);
    for (let scenario = queue.shift(); scenario !== undefined; scenario = queue.shift()) {
      const played: PlayedRound[] = [];
      const what = [scenario.title, scenario.setup].filter((text) => text !== '').join(', ');
      for (let round = 0; round < rounds; round += 1) {
        progress.step(`${scenario.backend}: ${what}`);
        try {
          const one = await play(scenario);
          if (one.tooEarly)
            context.notMeasured(
              scenario.backend,
              what,
              'Other work stalled the holder: its lease ended before the fault.',
            );
          else played.push(one);
        } catch (error) {
          context.notMeasured(scenario.backend, what, reasonOf(error));
        }
      }
      if (played.length > 0) results.set(scenario, judgeFault(scenario, played));
    }
  };
  await Promise.all(Array.from({ length: quick ? atOnce.quick : atOnce.full }, (_, i) => worker(i)));
  const inOrder = scenarios.map((scenario) => results.get(scenario)).filter((fault) => fault !== undefined);
  for (const { backend, title, setup, violations, expected } of inOrder) {
    if (violations.length > 0 && expected === '') context.fail(`${backend}, ${title} ${setup}: ${violations[0]}`);
  }
  return { faults: inOrder };
}
