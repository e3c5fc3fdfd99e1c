// `pnpm bench`: builds, and measures. The arguments are the bench's.
import { runBuilt } from './steps.mjs';

await runBuilt('packages/compare/src/main.ts', 'bench');
