import { randomUUID } from 'node:crypto';
import { type Stage, startWorker } from '@holdfast/example-kit';
import { openAccount } from './accounts.ts';

/** What became of two withdrawals of 30 and 50 from a balance of 100. */
export interface Story {
  /** The balance when the second writer was done, before the first one woke. */
  readonly before: number;
  /** The balance at the end. */
  readonly after: number;
  /** Whether the database took the write of the one who slept. */
  readonly lateWrite: boolean;
  /** What the one who slept says of its lock, asked after its write. */
  readonly lateState: string;
  readonly tokens: readonly bigint[];
}

/**
 * The first writer reads and is stopped (SIGSTOP) until its lock has passed to the second one, which reads and writes. Then the
 * first one goes on, and its write is the first thing that it does.
 */
export async function play(stage: Stage, accountUrl: string, fenced: boolean): Promise<Story> {
  const account = await openAccount(accountUrl);
  stage.atEnd(() => account.close());
  await account.write(100);
  const key = `account:${randomUUID().slice(0, 8)}`;
  const tokens: bigint[] = [];
  const module = new URL('./writer.ts', import.meta.url);
  const start = (amount: number, hasRead: () => Promise<void>, hasWritten: (...told: [boolean, string]) => void) => {
    const args = [stage.url, key, accountUrl, String(amount), String(fenced)];
    const handlers = {
      'has read': (token: bigint) => {
        tokens.push(token);
        return hasRead();
      },
      'has written': hasWritten,
    };
    return startWorker(stage, module, args, handlers);
  };

  return new Promise<Story>((resolve, reject) => {
    const unexpected = (what: string) => () => reject(new Error(`The ${what} writer ended before its time.`));
    let before = 0;
    const first = start(
      30,
      async () => {
        first.process.kill('SIGSTOP');
        await new Promise<void>((done) => {
          let hasWritten = false;
          const second = start(
            50,
            async () => {},
            () => {
              hasWritten = true;
              done();
            },
          );
          // After its write it ends by itself, possibly before the first one has gone on.
          void second.ended.then(() => {
            if (!hasWritten) unexpected('second')();
          });
        });
        before = await account.read();
        first.process.kill('SIGCONT');
      },
      async (lateWrite, lateState) => resolve({ before, after: await account.read(), lateWrite, lateState, tokens }),
    );
    void first.ended.then(unexpected('first'));
  });
}
