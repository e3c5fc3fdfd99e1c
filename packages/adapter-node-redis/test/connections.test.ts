import { connectionSuite } from '../../redis-protocol/test/support/connection-suite.ts';
import { kits } from './support/kits.ts';

connectionSuite(kits);
