import { runExample, say } from '@holdfast/example-kit';
import { requests, stampede } from './stampede.ts';

await runExample({
  title: 'Cache stampede: 1,000 requests miss the cache at once',
  oneProcess: true,
  async run({ url }) {
    const without = await stampede(url, false);
    say.line(`without a lock  the database was asked ${without.loads} times`);
    const locked = await stampede(url, true);
    say.line(`with the lock   the database was asked ${locked.loads} ${locked.loads === 1 ? 'time' : 'times'}`);
    const right = locked.loads === 1 && locked.served === requests;
    say.verdict(right, `${locked.served} of ${requests} requests were answered from ${locked.loads} load`);
    return right;
  },
});
