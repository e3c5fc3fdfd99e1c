import { sentinelSuite } from '../../redis-protocol/test/support/sentinel-suite.ts';
import { kits } from './support/kits.ts';

sentinelSuite(kits);
