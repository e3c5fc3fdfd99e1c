import { conformanceOn } from '../../redis-protocol/test/support/conformance-suite.ts';
import { kits } from './support/kits.ts';

conformanceOn('sentinel', kits, { reuse: true });
