import { queueSuite } from '../../redis-protocol/test/support/queue-suite.ts';
import { kits } from './support/kits.ts';

queueSuite(kits);
