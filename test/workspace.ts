import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root: string = fileURLToPath(new URL('..', import.meta.url)).replace(/[/\\]$/, '');

export interface Manifest {
  name: string;
  private?: boolean;
  type?: string;
  license?: string;
  sideEffects?: boolean;
  packageManager?: string;
  engines?: { node?: string };
  files?: string[];
  exports?: Record<string, string | Record<string, string>>;
  keywords?: string[];
  publishConfig?: Record<string, unknown>;
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

export interface Package {
  readonly folder: string;
  /** As messages show it: `packages/lock-core`. */
  readonly path: string;
  readonly manifest: Manifest;
}

/** The packages under `packages/` or `examples/`; a folder without a manifest is not one yet. */
export function packagesIn(parent: 'packages' | 'examples'): Package[] {
  return readdirSync(join(root, parent))
    .map((name) => join(root, parent, name))
    .filter((folder) => existsSync(join(folder, 'package.json')))
    .map((folder) => ({
      folder,
      path: relative(root, folder),
      manifest: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')),
    }));
}

/** All files under a folder whose names end so, without what is built or installed. */
export function filesUnder(folder: string, ...endings: string[]): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      return /^(node_modules|dist|coverage|\..+)$/.test(entry.name) ? [] : filesUnder(path, ...endings);
    }
    return endings.some((ending) => entry.name.endsWith(ending)) ? [path] : [];
  });
}
