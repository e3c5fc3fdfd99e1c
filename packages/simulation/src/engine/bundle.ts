import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';
import { build, type Plugin } from 'esbuild';
import { type Environment, globalNames } from './environment.ts';

const repository = fileURLToPath(new URL('../../../../', import.meta.url));
const here = fileURLToPath(new URL('..', import.meta.url));

/** A change to one source file, made in memory when it is loaded. */
export interface SourcePatch {
  /** The file, from the root of the repository. */
  readonly file: string;
  /** Must occur exactly once in it. */
  readonly find: string;
  readonly replace: string;
}

/** A compiled program. Each call runs its modules anew, in an environment, and gives what its entry exports. */
export type Program = (environment: Environment) => Record<string, unknown>;

/**
 * Compiles an entry with everything that it imports of this repository from source, `.lua` files as text; client libraries
 * and Node's modules are left to the environment.
 * @throws Error when a patch does not apply, so that a stale one is noticed.
 */
export async function compileShipped(entry: string, patches: readonly SourcePatch[] = []): Promise<Program> {
  const applied = new Set<SourcePatch>();
  const sources: Plugin = {
    name: 'shipped-sources',
    setup(builder) {
      builder.onResolve({ filter: /^@holdfast\// }, ({ path }) => {
        const [, name, ...rest] = path.split('/');
        return { path: join(repository, 'packages', name!, 'src', `${rest.join('/') || 'index'}.ts`) };
      });
      builder.onLoad({ filter: /packages\/[^/]+\/src\/.*\.(ts|lua)$/ }, ({ path }) => {
        let contents = readFileSync(path, 'utf8');
        for (const patch of patches) {
          if (patch.file !== relative(repository, path)) continue;
          contents = applyPatch(contents, patch);
          applied.add(patch);
        }
        return { contents, loader: path.endsWith('.lua') ? 'text' : 'ts' };
      });
    },
  };
  const program = await bundle(entry, [sources], ['ioredis', 'redis', 'node-zookeeper-client', 'etcd3', 'pg']);
  for (const patch of patches) {
    if (!applied.has(patch)) throw new Error(`The patch of ${patch.file} changes nothing: nobody imports that file.`);
  }
  return program;
}

/** @throws Error when a patch no longer fits its file. */
export function checkPatch(patch: SourcePatch): void {
  applyPatch(readFileSync(join(repository, patch.file), 'utf8'), patch);
}

function applyPatch(source: string, { file, find, replace }: SourcePatch): string {
  const count = source.split(find).length - 1;
  if (count !== 1) {
    throw new Error(`The patch of ${file} no longer applies: it finds ${count} times, not once:\n${find}`);
  }
  return source.replace(find, () => replace);
}

/** Compiles a client library, as it comes from npm. */
export function compileLibrary(name: string): Promise<Program> {
  const replaced = ['@grpc/grpc-js', '@grpc/proto-loader', 'pg-native', 'pg-cloudflare'];
  return bundle(`module.exports = require(${JSON.stringify(name)})`, [oneClassOfClients], replaced);
}

/**
 * node-redis makes a class with all commands of Redis for each client whose options differ from those of the one before.
 * What it depends on is the same for all of ours (no modules, no scripts of a client), so one class serves them all.
 */
const oneClassOfClients: Plugin = {
  name: 'one-class-of-clients',
  setup(builder) {
    builder.onLoad({ filter: /single-entry-cache\.js$/ }, () => ({
      contents:
        'exports.default = class { get() { return this.known; } set(_options, made) { this.known = made; } };\n' +
        'exports.__esModule = true;',
      loader: 'js',
    }));
  },
};

async function bundle(contents: string, plugins: Plugin[], external: string[]): Promise<Program> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: here, loader: 'ts' },
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    define: { __dirname: '"."' },
    // So that the environment gives what is loaded later, too.
    supported: { 'dynamic-import': false },
    external,
    plugins,
    logLevel: 'silent',
    keepNames: false,
  });
  const code = outputFiles[0]!.text;
  const run = compileFunction(code, ['require', 'module', 'exports', ...globalNames], { filename: 'simulated.js' });
  return (environment) => {
    const module = { exports: {} as Record<string, unknown> };
    const globals = globalNames.map((name) => environment.globals[name]);
    run(environment.require, module, module.exports, ...globals);
    return module.exports;
  };
}
