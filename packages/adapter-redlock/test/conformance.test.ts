import { conformanceOnNodes } from './support/conformance-suite.ts';

conformanceOnNodes(5);
