import type { LockAdapter } from '@holdfast/lock-core';
import { redisLockAdapter } from '../../src/adapter.ts';
import type { RedisClientBinding } from '../../src/redis-client.ts';

interface Answering {
  readonly sent: readonly (readonly string[])[];
  readonly adapter: LockAdapter;
}

/** An adapter over a client that gives these answers, and the commands that it was given. */
export function answering(...answers: ((client: { resends: number }) => string)[]): Answering {
  const sent: (readonly string[])[] = [];
  const client = {
    ...{ name: 'fake', ready: true, cluster: false, keyPrefix: '', resends: 0, openSubscriber() {}, async close() {} },
    async call(_: string, words: readonly string[]) {
      sent.push(words.slice(1));
      return answers.shift()!(client);
    },
  };
  return { sent, adapter: redisLockAdapter(client as unknown as RedisClientBinding) };
}
