import { halfOpenSuite } from '../../redis-protocol/test/support/half-open-suite.ts';
import { kits } from './support/kits.ts';

halfOpenSuite(kits[0]!);
