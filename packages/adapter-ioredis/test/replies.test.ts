import { replySuite } from '../../redis-protocol/test/support/reply-suite.ts';
import { kits } from './support/kits.ts';

for (const kind of ['single', 'cluster', 'sentinel'] as const) replySuite(kits, kind);
