// `pnpm flake-check`: builds, and runs the suite again and again on every backend of ours, to see flakes.
import { runBuilt } from './steps.mjs';

await runBuilt('scripts/flake-check.ts');
