import { runExample, say } from '@holdfast/example-kit';
import { isExactlyOnce, play, ticks } from './story.ts';

await runExample({
  title: `Scheduled job: ${ticks} ticks, three processes, a crash and a partition`,
  async run(stage) {
    const ledger = await play(stage, say.line);
    say.line(`done: ${ledger.done.join(' ')}; refused as too late: ${ledger.refused.join(' ') || 'none'}`);
    const right = isExactlyOnce(ledger);
    say.verdict(
      right,
      `${new Set(ledger.done).size} of ${ticks} ticks have their effect, ${ledger.done.length - new Set(ledger.done).size} of them twice`,
    );
    return right;
  },
});
