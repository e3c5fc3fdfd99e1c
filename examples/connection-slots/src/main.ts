import { runExample, say } from '@holdfast/example-kit';
import { isRight, type Outcome, play, slots } from './story.ts';

const told = ({ answered, refused, most }: Outcome): string =>
  `${answered} queries answered, ${refused} connections turned away, at most ${most} open at once`;

await runExample({
  title: 'Connection slots: 8 processes, and a database that takes 3 connections',
  async run(stage) {
    say.line(`without slots  ${told(await play(stage, false, 0))}`);
    const limited = await play(stage, true, slots);
    say.line(`with slots     ${told(limited)}; ${limited.killed} clients killed while they were connected`);
    const right = isRight(limited);
    say.verdict(right, 'nobody was turned away, and the slots of the killed clients came back');
    return right;
  },
});
