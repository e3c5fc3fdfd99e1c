import { ownerSuite } from '../../redis-protocol/test/support/owner-suite.ts';
import { kits } from './support/kits.ts';

ownerSuite(kits);
