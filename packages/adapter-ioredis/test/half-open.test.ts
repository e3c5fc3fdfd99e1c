import { redisLockAdapter } from '@holdfast/redis-protocol';
import { Redis } from 'ioredis-5';
import { halfOpenSuite } from '../../redis-protocol/test/support/half-open-suite.ts';
import { connectIoredis, ioredisBinding } from '../src/index.ts';
import { kits } from './support/kits.ts';

const [six, five] = kits;

halfOpenSuite(six!);

// The package imports version 6 here; version 5 is given the same options.
halfOpenSuite(
  {
    ...five!,
    open(target) {
      const sixth = connectIoredis({ ...target, options: { lazyConnect: true } });
      const { lazyConnect, ...options } = sixth.options as { lazyConnect?: boolean };
      sixth.disconnect();
      const client = new Redis(options);
      client.on('error', () => {});
      return redisLockAdapter(ioredisBinding(client, { ownsClient: true }));
    },
  },
  ['single'],
);
