import { waitingSuite } from '../../redis-protocol/test/support/waiting-suite.ts';
import { kits } from './support/kits.ts';

waitingSuite(kits);
