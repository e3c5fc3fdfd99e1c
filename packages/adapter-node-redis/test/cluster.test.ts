import { clusterSuite } from '../../redis-protocol/test/support/cluster-suite.ts';
import { kits } from './support/kits.ts';

clusterSuite(kits);
