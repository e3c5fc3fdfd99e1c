import { runExample, say } from '@holdfast/example-kit';
import { type Change, isOrderly, play } from './story.ts';

const told = ({ how, from, to, ms }: Change): string =>
  how === 'elected'
    ? `${to.leader} leads, term ${to.term}`
    : `${from} ${{ resigned: 'resigns', killed: 'is killed', paused: 'is stopped' }[how]}: ${to.leader} leads after ${Math.round(ms)} ms, term ${to.term}`;

await runExample({
  title: 'One leader of four processes, with hand-over',
  async run(stage) {
    const { group } = await play(stage, (change) => say.line(told(change)));
    const refused = group.orders.filter(({ obeyed }) => !obeyed).length;
    say.line(`of ${group.orders.length} orders the group refused ${refused}, under a term that was over`);
    const right = isOrderly(group.orders);
    say.verdict(right, 'one leader to each term, and no order under an older one was obeyed');
    return right;
  },
});
