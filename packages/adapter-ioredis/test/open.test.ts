import { openSuite } from '../../redis-protocol/test/support/open-suite.ts';
import { kits } from './support/kits.ts';

openSuite(kits);
