// `npm start`: installs, builds, and runs the flash sale. Arguments after `--` are the example's.
import { join } from 'node:path';
import { checkNode, install, root, run, step } from './steps.mjs';

checkNode();
const buildHint =
  'The build failed. From a clean clone this should not happen: please open an issue with the lines above.';
const build = ['run', 'build', '--filter=@holdfast/example-flash-sale^...', '--output-logs=errors-only'];
const ready = (await install()) && (await step('packages built', 'turbo', build, buildHint));
if (ready) {
  const example = join(root, 'examples', 'flash-sale');
  const { code } = await run('node', ['--import', 'tsx', 'src/main.ts', ...process.argv.slice(2)], { cwd: example });
  process.exitCode = code;
} else {
  process.exitCode = 1;
}
