import { runExample, say } from '@holdfast/example-kit';
import { type Change, isOrderly, isRefused, play } from './story.ts';

const told = ({ how, from, to, ms }: Change): string =>
  how === 'elected'
    ? `${to.leader} leads, term ${to.term}`
    : `${from} ${{ resigned: 'resigns', killed: 'is killed', paused: 'is stopped' }[how]}: ${to.leader} leads after ${Math.round(ms)} ms, term ${to.term}`;

await runExample({
  title: 'One leader of four processes, with hand-over',
  async run(stage) {
    const story = await play(stage, (change) => say.line(told(change)));
    const { group, late } = story;
    say.line(
      `${late.leader} goes on, and gives an order under term ${late.term}: ${late.obeyed ? 'obeyed' : 'refused'}`,
    );
    const right = isOrderly(group.orders) && isRefused(story);
    say.verdict(right, 'one leader to each term, and no order under an older one was obeyed');
    return right;
  },
});
