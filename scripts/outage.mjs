// `pnpm outage`: builds, and takes the servers of each adapter of ours away for ten minutes. `--minutes 1`, and names, choose less.
import { runBuilt } from './steps.mjs';

await runBuilt('scripts/outage.ts');
