import type { Cluster, Redis } from 'ioredis';
import { expect, it, onTestFinished, vi } from 'vitest';
import { openSuite } from '../../redis-protocol/test/support/open-suite.ts';
import { connectIoredis, openIoredis } from '../src/index.ts';
import { kits } from './support/kits.ts';

openSuite(kits);

it('a client of Sentinels waits for replicas for as long as it is told to, before it takes the master for dead', async () => {
  const target = { kind: 'sentinel', nodes: [{ host: '127.0.0.1', port: 1 }], masterName: 'main' } as const;
  const adapter = openIoredis(target, { waitReplicas: 1, waitReplicasTimeoutMs: 8_000 });
  await adapter.close?.();
  const given = { ...target, options: { socketTimeout: 4_000 } };
  expect(() => openIoredis(given, { waitReplicas: 1, waitReplicasTimeoutMs: 8_000 })).toThrow(/after 4000 ms/);
});

it('a second error of a socket, such as of a TLS handshake that was refused, does not end the process', async () => {
  const nodes = [{ host: '127.0.0.1', port: 1 }];
  const single = connectIoredis({ kind: 'single', nodes }) as Redis;
  const cluster = connectIoredis({ kind: 'cluster', nodes }) as Cluster;
  onTestFinished(() => {
    single.disconnect();
    cluster.disconnect();
  });
  const node = new Promise<Redis>((resolve) => cluster.once('+node', resolve));
  const slots = (await node).duplicate({ lazyConnect: false });
  slots.on('error', () => {});
  onTestFinished(() => slots.disconnect());
  for (const client of [single, slots]) {
    const stream = await vi.waitUntil(() => client.stream);
    for (let nth = 0; nth < 3; nth++) expect(() => stream.emit('error', new Error('alert number 50'))).not.toThrow();
  }
});
