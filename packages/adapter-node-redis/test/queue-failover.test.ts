import { redisLockAdapter } from '@holdfast/redis-protocol';
import { queueFailoverSuite } from '../../redis-protocol/test/support/queue-failover-suite.ts';
import { kits } from './support/kits.ts';

// As of clients that the adapter opens: node-redis does not look for the new master of a slot whose old one is silent, and version 5
// for that of one which is away. Only in a cluster of ours it is made to.
queueFailoverSuite(
  kits.map((kit) => ({
    ...kit,
    connect(target) {
      const client = kit.connect(target);
      return {
        ...client,
        adapter: (options) => redisLockAdapter(client.binding({ ownsClient: true }), options),
      };
    },
  })),
);
