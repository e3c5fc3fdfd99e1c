import { faultSuite } from '../../redis-protocol/test/support/fault-suite.ts';
import { kits } from './support/kits.ts';

faultSuite(kits);
