import { expect, it } from 'vitest';
import { faultProxy, startRedis } from '../src/index.ts';
import { redisCommand } from '../src/resp.ts';

it('H12: the reply to a SET is swallowed and the connection reset: the client knows nothing, the key is there', async () => {
  await using server = await startRedis();
  await using proxy = await faultProxy(server);
  expect(await redisCommand(proxy, ['PING'])).toBe('PONG');
  const swallowed = proxy.swallowReplies({ thenCut: true, match: (request) => request.includes('SET') });
  await expect(redisCommand(proxy, ['SET', 'key', 'value'])).rejects.toThrow();
  await swallowed;
  expect(await redisCommand(proxy, ['GET', 'key'])).toBe('value');
});

it('a black hole to the client: the server obeys, the client hears nothing', async () => {
  await using server = await startRedis();
  await using proxy = await faultProxy(server);
  proxy.blackHole('to-client');
  await expect(redisCommand(proxy, ['SET', 'key', 'value'], 300)).rejects.toThrow('did not answer SET within 300 ms');
  expect(await server.command('GET', 'key')).toBe('value');
});
