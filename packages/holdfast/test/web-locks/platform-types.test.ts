import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, it } from 'vitest';

const file = fileURLToPath(new URL('virtual.ts', import.meta.url));
const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: ['node'],
  strict: true,
  skipLibCheck: true,
  allowImportingTsExtensions: true,
  noEmit: true,
};

/** What TypeScript, knowing the browser's types, says of a module in this folder. */
function complaints(code: string): string[] {
  const host = ts.createCompilerHost(options);
  const { fileExists, getSourceFile } = host;
  host.fileExists = (name) => name === file || fileExists(name);
  host.getSourceFile = (name, ...how) =>
    name === file ? ts.createSourceFile(name, code, ts.ScriptTarget.ES2023) : getSourceFile(name, ...how);
  const program = ts.createProgram([file], options, host);
  return ts
    .getPreEmitDiagnostics(program, program.getSourceFile(file))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

it('has the type of the platform’s LockManager', { timeout: 120_000 }, () => {
  const code = (type: string) => `
    import type { Locks } from '../../src/index.ts';
    import { webLocks } from '../../src/web-locks/index.ts';
    export async function use(locks: Locks): Promise<number> {
      const manager: ${type} = webLocks(locks);
      const { held } = await manager.query();
      const some: number = await manager.request('name', { ifAvailable: true }, async (lock) => (lock === null ? 0 : 1));
      return some + (held?.length ?? 0);
    }`;
  expect(complaints(code('LockManager'))).toEqual([]);
  expect(complaints(code('Navigator'))).not.toEqual([]);
});
