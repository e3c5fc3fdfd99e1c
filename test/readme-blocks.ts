import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { filesUnder, packagesIn, root } from './workspace.ts';

/** A code block of a document. */
export interface Block {
  /** `packages/holdfast/README.md:12` */
  readonly where: string;
  readonly file: string;
  readonly code: string;
  /** False for one that is marked `ts no-run`. */
  readonly runs: boolean;
}

export const folder: string = join(root, '.cache', 'readme');

/** Every `ts` block of every README, of CONTRIBUTING and of the pages under docs. */
export function readBlocks(): Block[] {
  const readmes = [...packagesIn('packages'), ...packagesIn('examples')].map((entry) =>
    join(entry.folder, 'README.md'),
  );
  const documents = [
    join(root, 'README.md'),
    join(root, 'CONTRIBUTING.md'),
    ...readmes,
    ...filesUnder(join(root, 'docs'), '.md'),
  ];
  return documents.filter((document) => existsSync(document)).flatMap(blocksOf);
}

function blocksOf(document: string): Block[] {
  const text = readFileSync(document, 'utf8');
  // A block in a list is indented as a whole. One that names a file is part of a project that test/guide.test.ts builds.
  const found = text.matchAll(/^( *)```(?:ts|typescript)\b(?![^\n]*\bfile=)([^\n]*)\n([\s\S]*?)^\1```/gm);
  return [...found].map((match) => {
    const [, indent, marks, code] = match as unknown as [string, string, string, string];
    const where = `${relative(root, document)}:${text.slice(0, match.index).split('\n').length}`;
    return {
      where,
      file: join(folder, `${where.replaceAll(/[/:]/g, '_')}.ts`),
      code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      runs: !marks.includes('no-run'),
    };
  });
}

/**
 * Writes the blocks as modules into one folder that sees what the packages see: each package of the workspace by its name,
 * and whatever those depend on.
 */
export function writeBlocks(blocks: readonly Block[], servers: (code: string) => string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  const options = { isolatedDeclarations: false, declaration: false, noUnusedLocals: false, noUnusedParameters: false };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: '../../tsconfig.base.json', compilerOptions: options, include: ['*.ts'] }),
  );
  for (const { manifest, folder: source } of [...packagesIn('packages'), ...packagesIn('examples')]) {
    if (manifest.exports !== undefined) link(source, manifest.name);
  }
  for (const { manifest, folder: source } of [...packagesIn('packages'), ...packagesIn('examples')]) {
    const names = Object.keys({ ...manifest.devDependencies, ...manifest.dependencies });
    for (const name of names) link(join(source, 'node_modules', name), name);
  }
  // A block without an import or export is a script to TypeScript, and would share its names with the others.
  for (const { file, code } of blocks) writeFileSync(file, `${servers(code)}\nexport {};\n`);
}

function link(target: string, name: string): void {
  const path = join(folder, 'node_modules', name);
  if (existsSync(path) || !existsSync(target)) return;
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path, 'junction');
}
