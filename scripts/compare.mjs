// `pnpm compare`: builds, and compares the backends. The arguments are those of the comparison.
import { join } from 'node:path';
import { checkNode, install, root, run, step } from './steps.mjs';

checkNode();
const buildHint =
  'The build failed. From a clean clone this should not happen: please open an issue with the lines above.';
const build = ['run', 'build', '--filter=@holdfast/compare^...', '--output-logs=errors-only'];
const ready = (await install()) && (await step('packages built', 'turbo', build, buildHint));
if (ready) {
  const compare = join(root, 'packages', 'compare');
  const main = ['--import', 'tsx', 'src/compare/main.ts', ...process.argv.slice(2)];
  const { code } = await run('node', main, { cwd: compare });
  process.exitCode = code;
} else {
  process.exitCode = 1;
}
