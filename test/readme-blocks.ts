import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { freePorts } from '../packages/testbed/src/ports.ts';
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

/** Every `ts` block of every README, of CONTRIBUTING and of the pages under docs, but for the pages that have a test of their own. */
export function readBlocks(folder: string, ownTest: readonly string[]): Block[] {
  const readmes = [...packagesIn('packages'), ...packagesIn('examples')].map((entry) =>
    join(entry.folder, 'README.md'),
  );
  const documents = [
    join(root, 'README.md'),
    join(root, 'README.zh-CN.md'),
    join(root, 'CONTRIBUTING.md'),
    ...readmes,
    ...filesUnder(join(root, 'docs'), '.md'),
  ];
  const skipped = ownTest.map((document) => join(root, document));
  return documents
    .filter((document) => existsSync(document) && !skipped.includes(document))
    .flatMap((document) => blocksOf(document, folder));
}

/** The `ts` blocks of a document, as files of a folder. */
export function blocksOf(document: string, folder: string): Block[] {
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

// NestJS is written with decorators of parameters.
const decorators = { experimentalDecorators: true, emitDecoratorMetadata: false };

/**
 * Writes the blocks as modules into one folder that sees what the packages see: each package of the workspace by its name,
 * and whatever those depend on.
 */
export function writeBlocks(folder: string, blocks: readonly Block[], servers: (code: string) => string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  const options = {
    ...decorators,
    isolatedDeclarations: false,
    declaration: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
    erasableSyntaxOnly: false,
  };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: '../../tsconfig.base.json', compilerOptions: options, include: ['*.ts'] }),
  );
  for (const { manifest, folder: source } of [...packagesIn('packages'), ...packagesIn('examples')]) {
    if (manifest.exports !== undefined) link(folder, source, manifest.name);
  }
  for (const { manifest, folder: source } of [...packagesIn('packages'), ...packagesIn('examples')]) {
    const names = Object.keys({ ...manifest.devDependencies, ...manifest.dependencies });
    for (const name of names) link(folder, join(source, 'node_modules', name), name);
  }
  for (const block of blocks) writeBlock(block, servers);
}

// A route handler is sent a request.
const routeCall = `
const response = await POST(new Request('http://127.0.0.1/42', { method: 'POST' }));
process.exit(response.ok ? 0 : 1);
`;

/** Writes one block with the addresses of real servers. */
export function writeBlock({ file, code }: Block, servers: (code: string) => string): void {
  // A block without an import or export is a script to TypeScript, and would share its names with the others.
  const call = code.includes('export async function POST(') ? routeCall : '';
  const text = `${servers(code)}\nexport {};\n${call}`;
  writeFileSync(file, text);
  // What runs: compiled here once, since a loader in each process takes as long as everything else that it does.
  const compilerOptions = { ...decorators, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  writeFileSync(scriptOf(file), ts.transpileModule(text, { compilerOptions }).outputText);
}

const scriptOf = (file: string): string => file.replace(/ts$/, 'mjs');

function link(folder: string, target: string, name: string): void {
  const path = join(folder, 'node_modules', name);
  if (existsSync(path) || !existsSync(target)) return;
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path, 'junction');
}

/** Rejects with the errors of the types of the blocks, if there are any. */
export async function checkTypes(folder: string): Promise<void> {
  await node([join(root, 'node_modules/typescript/bin/tsc'), '-p', folder, '--pretty', 'false'], folder, process.env);
}

/** Runs a block, and resolves to what it printed. One that is a web server is sent a request, then SIGTERM. */
export async function runBlock({ file, code }: Block, env: NodeJS.ProcessEnv): Promise<string> {
  const args = [scriptOf(file)];
  if (!code.includes('.listen(')) return node(args, dirname(file), { ...process.env, ...env });
  const [port] = await freePorts(1);
  const server = spawn(process.execPath, args, {
    cwd: dirname(file),
    env: { ...process.env, ...env, PORT: String(port) },
  });
  let output = '';
  for (const stream of [server.stdout, server.stderr]) stream.on('data', (data) => (output += data));
  const ended = once(server, 'exit');
  try {
    const response = await Promise.race([answerOf(`http://127.0.0.1:${port}/42`), ended]);
    if (!('ok' in response) || !response.ok) throw new Error(`The server gave no answer: ${output}`);
    server.kill('SIGTERM');
    const [exitCode] = await ended;
    if (exitCode !== 0) throw new Error(`It ended with ${exitCode} after SIGTERM: ${output}`);
    return output;
  } finally {
    server.kill('SIGKILL');
  }
}

/** The answer to a request, repeated until the server listens. */
async function answerOf(url: string): Promise<Response> {
  for (;;) {
    const response = await fetch(url, { headers: { connection: 'close' } }).catch(() => undefined);
    if (response !== undefined) return response;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Runs a Node script; a failure reads as what it printed. */
async function node(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd, env, timeout: 60_000 });
    return stdout;
  } catch (error) {
    const { stdout, stderr, message } = error as Error & { stdout: string; stderr: string };
    throw new Error(`${message}\n${stdout}\n${stderr}`);
  }
}
