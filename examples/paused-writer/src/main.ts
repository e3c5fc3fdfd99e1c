import { runExample, say } from '@holdfast/example-kit';
import { startPostgres, startRedis } from '@holdfast/testbed';
import { play, type Story } from './story.ts';

await runExample({
  title: 'A paused writer: two withdrawals, 30 and 50, from a balance of 100',
  async run(stage) {
    const [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
    stage.atEnd(() => Promise.all([postgres.stop(), redis.stop()]));
    let right = true;
    for (const [name, url] of [
      ['PostgreSQL', postgres.url],
      ['Redis', redis.url],
    ] as const) {
      const plain = await play(stage, url, false);
      tell(`${name}, plain write `, plain);
      const fenced = await play(stage, url, true);
      tell(`${name}, fenced write`, fenced);
      right &&= plain.after === 70 && fenced.after === 50 && !fenced.lateWrite;
    }
    say.verdict(right, 'the lock let nobody in twice; the stale write was stopped by the fencing token alone');
    return right;
  },
});

function tell(name: string, { before, after, lateWrite, lateState, tokens }: Story): void {
  const late = lateWrite
    ? 'written, and the withdrawal of 50 is lost'
    : `refused: token ${tokens[0]} after ${tokens[1]}`;
  say.line(`${name}  balance ${before}; then the late write is ${late}; balance ${after}; its lock is ${lateState}`);
}
