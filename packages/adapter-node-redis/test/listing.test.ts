import { listingSuite } from '../../redis-protocol/test/support/listing-suite.ts';
import { kits } from './support/kits.ts';

listingSuite(kits);
