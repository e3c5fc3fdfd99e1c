import { conformanceOn } from '../../redis-protocol/test/support/conformance-suite.ts';
import { kits } from './support/kits.ts';

conformanceOn('single', kits);
