import { runExample, say } from '@holdfast/example-kit';
import { openLocks } from 'holdfast';
import { isRight, type Outcome, play } from './story.ts';

const told = ({ manner, reads, torn, atOnce, ms }: Outcome): string =>
  `${manner.padEnd(9)}  ${reads} reads in ${Math.round(ms)} ms, ${torn} of them torn, at most ${atOnce} at once`;

await runExample({
  title: 'Readers and a writer: a price list that is read together and written alone',
  oneProcess: true,
  async run(stage) {
    await using locks = await openLocks(stage.url, { require: { shared: true } });
    const outcomes: Outcome[] = [];
    for (const manner of ['no lock', 'exclusive', 'shared'] as const) {
      outcomes.push(await play(locks, manner));
      say.line(told(outcomes.at(-1)!));
    }
    const right = isRight(outcomes);
    say.verdict(right, 'with a shared lock the readers read together, and none of them saw half of a change');
    return right;
  },
});
