import type { RedisClientBinding } from '@holdfast/redis-protocol';
import { expect, it } from 'vitest';
import { createCircuitBreaker } from '../src/circuit-breaker.ts';
import { createRequests, exclusiveVotes, type Reply } from '../src/requests.ts';

/** What a node is told and sent when its vote, asked for by a plain command, is found taken; `meanwhile` happens before the answer. */
async function askAlone(meanwhile: (client: object) => void) {
  const commands: string[] = [];
  const client = {
    ...{ name: 'fake', ready: true, resends: 0 },
    call: async (name: string) => {
      commands.push(name);
      return 1;
    },
  };
  const breaker = createCircuitBreaker(() => 0, 1_000);
  const requests = createRequests(client as unknown as RedisClientBinding, breaker, exclusiveVotes, {});
  const answer = await new Promise<Parameters<Reply>>((resolve) => {
    const keys = { lock: 'lock:k', queue: '', places: '', fence: '' };
    const alone = (read: (reply: unknown) => void): void => {
      meanwhile(client);
      read(0);
    };
    requests.add({ keys, args: ['owner', '1', '', '20000', ''], alone } as never, (...told) => resolve(told));
  });
  return { commands, answer };
}

it('asks the script for a vote that the plain command has not got', async () => {
  const { commands, answer } = await askAlone(() => {});
  expect(commands).toEqual(['evalsha']);
  expect(answer[0]).toEqual({ kind: 'count', count: 1 });
});

it.each<[string, (client: object) => void]>([
  ['over a new connection, which may have the release already', (client) => Object.assign(client, { resends: 1 })],
  ['while there is no connection', (client) => Object.assign(client, { ready: false })],
])('H111: does not ask the script %s', async (_when, meanwhile) => {
  const { commands, answer } = await askAlone(meanwhile);
  expect(commands).toEqual([]);
  expect(answer).toEqual([undefined, new Error('the connection broke'), true]);
});
