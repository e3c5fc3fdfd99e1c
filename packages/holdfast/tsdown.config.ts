import { libraryBuild } from '../../tsdown.base.ts';

export default libraryBuild([
  'src/index.ts',
  'src/web-locks/index.ts',
  'src/cli/main.ts',
  'src/cli/conformance/open-adapter.ts',
]);
