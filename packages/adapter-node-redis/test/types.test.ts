import { createClient, createCluster, createSentinel } from 'redis';
import * as five from 'redis-5';
import { describe, it } from 'vitest';
import { nodeRedisAdapter } from '../src/index.ts';

describe('the types of both node-redis majors', () => {
  it('are accepted', () => {
    const accept = (): unknown[] => [
      nodeRedisAdapter(createClient()),
      nodeRedisAdapter(createCluster({ rootNodes: [] })),
      nodeRedisAdapter(createSentinel({ name: 'm', sentinelRootNodes: [] })),
      nodeRedisAdapter(five.createClient()),
      nodeRedisAdapter(five.createCluster({ rootNodes: [] })),
      nodeRedisAdapter(five.createSentinel({ name: 'm', sentinelRootNodes: [] })),
    ];
    void accept;
  });
});
