import { protocolSuite } from '../../redis-protocol/test/support/protocol-suite.ts';
import { kits } from './support/kits.ts';

protocolSuite(kits);
