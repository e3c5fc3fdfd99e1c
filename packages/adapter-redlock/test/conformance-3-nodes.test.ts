import { conformanceOnNodes } from './support/conformance-suite.ts';

// The smallest majority that a node may fail of, and the least room for permits.
conformanceOnNodes(3);
