// `pnpm compare`: builds, and compares the backends. The arguments are those of the comparison.
import { runBuilt } from './steps.mjs';

await runBuilt('packages/compare/src/main.ts', 'compare');
