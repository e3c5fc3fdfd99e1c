// `pnpm stress`: builds, and has every adapter of ours used at random while faults are played. The arguments are the names of some of them.
import { runBuilt } from './steps.mjs';

await runBuilt('scripts/stress.ts');
