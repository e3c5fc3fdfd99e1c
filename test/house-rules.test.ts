import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { slowFiles } from './slow-first.ts';
import { filesUnder, type Manifest, packagesIn, root } from './workspace.ts';

const packages = packagesIn('packages');
const examples = packagesIn('examples');
const published = packages.filter(({ manifest }) => !manifest.private);
const adapters = packages.filter(({ path }) => path.includes('adapter-'));
const all = [...packages, ...examples];
const sources = packages
  .filter(({ path }) => !/\/(compare|testbed|simulation)$/.test(path))
  .flatMap(({ folder }) => filesUnder(join(folder, 'src'), '.ts'));
const tests = [
  ...all.flatMap(({ folder }) => filesUnder(join(folder, 'test'), '.ts')),
  ...filesUnder(join(root, 'test'), '.ts'),
];
const thisFile = join(root, 'test', 'house-rules.test.ts');

/** The places `file:line` where a pattern stands in code, comments aside. */
function places(files: readonly string[], pattern: RegExp): string[] {
  return files
    .filter((file) => file !== thisFile)
    .flatMap((file) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .map((line, index) => ({ line, where: `${relative(root, file)}:${index + 1}` }))
        .filter(({ line }) => !/^\s*(\/\/|\*|\/\*)/.test(line) && pattern.test(line))
        .map(({ where }) => where),
    );
}

/** The files of the same package that a file imports. */
const importsOf = (file: string): string[] =>
  [...readFileSync(file, 'utf8').matchAll(/\bfrom '(\.[^']+\.ts)'/g)].map(([, path]) => join(dirname(file), path!));

describe('manifests', () => {
  it.each(all)('$path agrees with the others', ({ manifest }) => {
    expect(manifest).toMatchObject({
      type: 'module',
      license: 'MIT',
      sideEffects: false,
      engines: { node: '>=20.19' },
    });
  });

  it.each(published)('$path is published with types first, dist only and provenance', ({ manifest }) => {
    expect(manifest.files).toEqual(['dist']);
    expect(manifest.publishConfig).toEqual({ access: 'public', provenance: true });
    expect(manifest.exports?.['./package.json']).toBe('./package.json');
    expect(manifest.scripts).toMatchObject({ build: 'tsdown', typecheck: 'tsc' });
    expect(Object.keys(manifest.scripts ?? {}).filter((name) => /install|prepare/.test(name))).toEqual([]);
    for (const [entry, target] of Object.entries(manifest.exports ?? {})) {
      if (entry === './package.json') continue;
      expect(Object.keys(target), entry).toEqual(['types', 'default']);
    }
  });

  it.each(published)(
    '$path names its source, its home page, its issues and what to find it by',
    ({ manifest, path }) => {
      const home = 'https://github.com/holdfast-locks/holdfast';
      expect(manifest).toMatchObject({
        homepage: `${home}/tree/main/${path}#readme`,
        bugs: { url: `${home}/issues` },
        repository: { type: 'git', url: `git+${home}.git`, directory: path },
      });
      expect(manifest.keywords).toContain(path === 'packages/guards' ? 'fencing' : 'lock');
    },
  );

  it.each(adapters)('$path has lock-core and its client as peers, and no other package at run time', ({ manifest }) => {
    const peers = Object.keys(manifest.peerDependencies ?? {});
    expect(manifest.peerDependencies?.['@holdfast/lock-core']).toBe('workspace:^0.x');
    expect(manifest.devDependencies?.['@holdfast/lock-core']).toBe('workspace:*');
    expect(foreign(manifest.dependencies)).toEqual([]);
    for (const peer of peers.filter((name) => !name.startsWith('@holdfast/'))) {
      expect(manifest.devDependencies, `${peer} is tested`).toHaveProperty(peer);
    }
  });

  it('lock-core and redis-protocol need no package at run time', () => {
    const bare = packages.filter(({ path }) => /\/(lock-core|redis-protocol)$/.test(path));
    expect(bare.flatMap(({ manifest }) => Object.keys(manifest.dependencies ?? {}))).toEqual([]);
  });

  it('the types of every package are checked, as its own settings say', () => {
    // One program for nearly all: a third of the work of one for each. Two declare a client in their own way.
    const { exclude }: { exclude: string[] } = JSON.parse(readFileSync(join(root, 'tsconfig.packages.json'), 'utf8'));
    const apart = exclude.filter((path) => !path.startsWith('**'));
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
    for (const path of apart) expect(scripts?.typecheck).toContain(`tsc -p ${path}`);
    for (const { folder, path } of all) {
      const settings: object = JSON.parse(readFileSync(join(folder, 'tsconfig.json'), 'utf8'));
      expect(settings, path).toEqual({ extends: '../../tsconfig.base.json', include: expect.any(Array) });
    }
  });

  it('the pinned pnpm is the installed one', () => {
    const manifest: Manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(manifest.packageManager).toBe(`pnpm@${manifest.devDependencies?.pnpm}`);
  });
});

describe('workflows', () => {
  it('name each action by its commit: a tag can be moved to other code', () => {
    const folder = join(root, '.github', 'workflows');
    const uses = readdirSync(folder).flatMap(
      (file) => readFileSync(join(folder, file), 'utf8').match(/uses: .*/g) ?? [],
    );
    expect(uses.length).toBeGreaterThan(0);
    expect(uses.filter((line) => !/@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line))).toEqual([]);
  });
});

describe('every package', () => {
  it.each(all)('$path has a README', ({ folder }) => {
    expect(existsSync(join(folder, 'README.md'))).toBe(true);
  });

  it.each(adapters)('$path runs the conformance suite', ({ folder }) => {
    const files = filesUnder(join(folder, 'test'), '.test.ts').flatMap(withImports);
    const registering = files.filter((file) =>
      /import \{[^}]*\bregisterConformance\b[^}]*\} from '@holdfast\/conformance\/vitest'/.test(
        readFileSync(file, 'utf8'),
      ),
    );
    expect(registering).not.toEqual([]);
  });
});

describe('sources', () => {
  it('files have one idea each: under 300 lines', () => {
    const long = [...sources, ...tests, ...examples.flatMap(({ folder }) => filesUnder(folder, '.ts'))].filter(
      (file) => readFileSync(file, 'utf8').split('\n').length > 300,
    );
    expect(long.map((file) => relative(root, file))).toEqual([]);
  });

  it('no circular imports, types included', () => {
    const imports = new Map(sources.map((file) => [file, importsOf(file)]));
    const circles: string[] = [];
    const finished = new Set<string>();
    const follow = (file: string, path: readonly string[]): void => {
      const at = path.indexOf(file);
      if (at >= 0) circles.push([...path.slice(at), file].map((each) => relative(root, each)).join(' > '));
      if (at >= 0 || finished.has(file)) return;
      for (const next of imports.get(file) ?? []) follow(next, [...path, file]);
      finished.add(file);
    };
    for (const file of sources) follow(file, []);
    expect([...imports.values()].flat().length).toBeGreaterThan(500);
    expect(circles).toEqual([]);
  });

  it('H23, H49: no wall clock outside the clock module', () => {
    // A deadline of gRPC is one of `Date`.
    const files = sources.filter(
      (file) => !/lock-core\/src\/platform\.ts$|adapter-etcd\/src\/endpoints\.ts$/.test(file),
    );
    expect(places(files, /\bDate\.now\(|\bnew Date(?:\(\)|\b(?!\())/)).toEqual([]);
  });

  it('H129: adapters import what fake timers replace; Biome refuses the other globals', () => {
    const files = sources.filter((file) => /packages\/(?:lock-core|redis-protocol|adapter-[\w-]+)\/src\//.test(file));
    expect(files.length).toBeGreaterThan(100);
    expect(places(files, /\bprocess\.nextTick\(|\bqueueMicrotask\(/)).toEqual([]);
  });

  it('H3: no Math.random', () => {
    expect(places(sources, /\bMath\.random\(/)).toEqual([]);
  });

  it('libraries write nothing to the console', () => {
    // A command of its own, which answers at the terminal.
    const libraries = sources.filter((file) => !file.endsWith('conformance/src/check-history.ts'));
    expect(places(libraries, /\bconsole\.|process\.std(out|err)\.write/)).toEqual([]);
  });

  it('types are not silenced', () => {
    expect(places([...sources, ...tests], /@ts-(ignore|nocheck)|\bas any\b/)).toEqual([]);
  });
});

describe('tests', () => {
  it('run all of them, once, against real servers: no only, skip, retry or mock', () => {
    expect(
      places(tests, /\b(it|test|describe)\.(only|skip|todo|fails|skipIf|runIf)\b|\bretry:\s*\d|\bvi\.(mock|doMock)\(/),
    ).toEqual([]);
  });

  it('the slow files, which begin first, are there', () => {
    expect(slowFiles.filter((file) => !existsSync(join(root, file)))).toEqual([]);
    expect(new Set(slowFiles).size).toBe(slowFiles.length);
  });
});

/** The file and those that it imports by relative paths, for tests whose body is shared between packages. */
function withImports(file: string): string[] {
  const imports = [...readFileSync(file, 'utf8').matchAll(/from '(\.{1,2}\/[^']+\.ts)'/g)];
  return [file, ...imports.map(([, path]) => join(dirname(file), path!)).filter((path) => existsSync(path))];
}

function foreign(dependencies: Record<string, string> = {}): string[] {
  return Object.keys(dependencies).filter((name) => !name.startsWith('@holdfast/'));
}
