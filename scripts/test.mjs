// `npm test`: set-up, build, lint, types, packaging, then every test against real servers. Arguments after `--` go to vitest.
// `npm run test:all` (nightly) runs the conformance suite with every major of each client, not only with the newest.
// The last line counts the tests, and each step before them as one, so that a failed build can never end in "0 failed".
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkNode, install, root, run, step } from './steps.mjs';

checkNode();
const all = process.argv.includes('--all');
const forVitest = process.argv.slice(2).filter((argument) => argument !== '--all');
const count = { passed: 0, failed: 0 };
const note = (passed) => {
  count[passed ? 'passed' : 'failed']++;
  return passed;
};
const turbo = (title, tasks, hint) =>
  step(title, 'turbo', ['run', ...tasks, '--output-logs=errors-only', '--continue'], hint);

if (
  note(await install()) &&
  note(await turbo('packages built', ['build'], 'Mend the build first: nothing else was run.'))
) {
  // Side by side: the types are one program, and the servers may have to be downloaded.
  const packaging = 'Mend the manifest or the build of the package named above.';
  const binaries = ['--filter', '@holdfast/testbed', 'binaries'];
  const passed = await Promise.all([
    step('lint and format', 'biome', ['check', '.'], 'pnpm format mends most of it.'),
    step(
      'spelling and terms',
      'pnpm',
      ['prose'],
      'Mend the texts; a new word goes into cspell.json, a term into prose.yml.',
    ),
    step('types', 'pnpm', ['typecheck'], 'Mend the types named above.'),
    step('packaging (publint, attw)', 'pnpm', ['lint:packages'], packaging),
    step('servers at hand', 'pnpm', binaries, 'Without the servers the tests cannot run.'),
  ]);
  for (const each of passed) note(each);
  if (passed.at(-1)) await runTests();
}
console.log(`${count.passed} passed, ${count.failed} failed`);
process.exitCode = count.failed === 0 ? 0 : 1;

async function runTests() {
  const file = join(root, '.cache', 'vitest.json');
  mkdirSync(dirname(file), { recursive: true });
  rmSync(file, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const variables = all ? { HOLDFAST_TEST_ALL: '1' } : {};
  const { code } = await run('vitest', ['run', ...reporters, ...forVitest], { variables });
  const report = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { testResults: [] };
  const states = report.testResults.flatMap((suite) => suite.assertionResults.map((test) => test.status));
  const before = count.failed;
  count.passed += states.filter((state) => state === 'passed').length;
  count.failed += states.filter((state) => state === 'failed').length;
  // A file that could not be loaded has no tests to count.
  count.failed += report.testResults.filter(
    (suite) => suite.status === 'failed' && !suite.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  // A crash, an unhandled error or an empty run shows in the exit code alone.
  if (count.failed === before && (code !== 0 || states.length === 0)) count.failed++;
  const skipped = states.filter((state) => state !== 'passed' && state !== 'failed').length;
  if (skipped > 0) console.log(`${skipped} skipped: the backend does not declare what they test`);
}
