import { libraryBuild } from '../../tsdown.base.ts';

export default libraryBuild([
  'src/index.ts',
  'src/vitest.ts',
  'src/node-test.ts',
  'src/mocha.ts',
  'src/faults/index.ts',
  'src/history/index.ts',
  'src/check-history.ts',
  'src/processes/child.ts',
  'src/stress/index.ts',
  'src/stress/worker.ts',
]);
