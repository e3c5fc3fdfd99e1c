import { expect, it } from 'vitest';
import { openSuite } from '../../redis-protocol/test/support/open-suite.ts';
import { openIoredis } from '../src/index.ts';
import { kits } from './support/kits.ts';

openSuite(kits);

it('a client of Sentinels waits for replicas for as long as it is told to, before it takes the master for dead', async () => {
  const target = { kind: 'sentinel', nodes: [{ host: '127.0.0.1', port: 1 }], masterName: 'main' } as const;
  const adapter = openIoredis(target, { waitReplicas: 1, waitReplicasTimeoutMs: 8_000 });
  await adapter.close?.();
  const given = { ...target, options: { socketTimeout: 4_000 } };
  expect(() => openIoredis(given, { waitReplicas: 1, waitReplicasTimeoutMs: 8_000 })).toThrow(/after 4000 ms/);
});
