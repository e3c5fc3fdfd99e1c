// `pnpm bench`: builds, and measures. The arguments are the bench's.
import { join } from 'node:path';
import { checkNode, install, root, run, step } from './steps.mjs';

checkNode();
const buildHint =
  'The build failed. From a clean clone this should not happen: please open an issue with the lines above.';
const build = ['run', 'build', '--filter=@holdfast/compare^...', '--output-logs=errors-only'];
const ready = (await install()) && (await step('packages built', 'turbo', build, buildHint));
if (ready) {
  const compare = join(root, 'packages', 'compare');
  const { code } = await run('node', ['--import', 'tsx', 'src/bench.ts', ...process.argv.slice(2)], { cwd: compare });
  process.exitCode = code;
} else {
  process.exitCode = 1;
}
