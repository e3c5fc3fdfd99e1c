import { refusalSuite } from '../../redis-protocol/test/support/refusal-suite.ts';
import { kits } from './support/kits.ts';

refusalSuite(kits);
