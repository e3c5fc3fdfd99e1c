// `pnpm reports`: builds, and checks every adapter of ours on real servers. The arguments are the names of some of them.
import { runBuilt } from './steps.mjs';

await runBuilt('scripts/reports.ts');
