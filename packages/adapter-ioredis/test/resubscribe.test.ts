import { faultProxy, type RedisServer, startRedis } from '@holdfast/testbed';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openIoredis } from '../src/index.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server?.stop());

it('H53: closed while it subscribes anew after a cut, the subscription connection rejects nothing without a listener', async () => {
  const unheard: unknown[] = [];
  const note = (reason: unknown) => void unheard.push(reason);
  process.on('unhandledRejection', note);
  const proxy = await faultProxy({ host: server.host, port: server.port });
  const adapter = openIoredis({ kind: 'single', nodes: [{ host: proxy.host, port: proxy.port }] });
  const abort = new AbortController();
  await adapter.whenFree!('resubscribe', abort.signal);
  const subscribing = proxy.swallowReplies({ match: (request) => /\bsubscribe\b/i.test(request.toString('latin1')) });
  proxy.cut();
  await subscribing;
  await adapter.close!();
  await proxy.close();
  // The connection ends some turns later, and a rejection is reported a turn after it happened.
  await new Promise((resolve) => setTimeout(resolve, 250));
  process.off('unhandledRejection', note);
  expect(unheard).toEqual([]);
});
