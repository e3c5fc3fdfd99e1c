// `pnpm stress`: builds, and has every adapter of ours used at random while faults are played. The arguments are the names of some of them.
import { checkNode, install, run, step } from './steps.mjs';

checkNode();
const buildHint =
  'The build failed. From a clean clone this should not happen: please open an issue with the lines above.';
const build = ['run', 'build', '--filter=./packages/*', '--output-logs=errors-only'];
const ready = (await install()) && (await step('packages built', 'turbo', build, buildHint));
const { code } = ready
  ? await run('node', ['--import', 'tsx', 'scripts/stress.ts', ...process.argv.slice(2)])
  : { code: 1 };
process.exitCode = code;
