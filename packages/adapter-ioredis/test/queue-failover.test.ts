import { queueFailoverSuite } from '../../redis-protocol/test/support/queue-failover-suite.ts';
import { kits } from './support/kits.ts';

queueFailoverSuite(kits);
