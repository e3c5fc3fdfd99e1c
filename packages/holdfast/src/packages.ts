import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isLockError, type LockAdapter, LockError } from '@holdfast/lock-core';
import { invalid } from './invalid.ts';

/** A package of ours that binds one client library. */
export interface AdapterPackage {
  readonly name: string;
  /** What must be installed beside it: its client library. */
  readonly needs: readonly string[];
  /** The export that opens a client for a target and gives an adapter that closes it again: `(target, options)`. */
  readonly open: string;
  /** What the target says beside the URL. */
  readonly target?: object;
}

type Open = (target: object, options: object) => LockAdapter | Promise<LockAdapter>;

/**
 * Opens a target with the first of the packages that is installed together with what it needs.
 * @throws LockError LOCK_UNSUPPORTED with the install command when none is.
 */
export async function openInstalled(
  packages: readonly AdapterPackage[],
  target: object,
  options: object = {},
): Promise<LockAdapter> {
  for (const { name, needs, open, target: more } of packages) {
    try {
      const module: Record<string, Open> = await import(name);
      return await module[open]!({ ...target, ...more }, options);
    } catch (error) {
      // An adapter over several clients says itself that one is missing.
      if (!isLockError(error, 'LOCK_UNSUPPORTED') && ![name, ...needs].some((wanted) => isMissing(error, wanted)))
        throw error;
    }
  }
  const commands = packages.map(({ name, needs }) => ['npm install', name, ...needs].join(' '));
  throw new LockError(
    'LOCK_UNSUPPORTED',
    `The package for this backend is not installed: ${commands.join('   or   ')}`,
  );
}

/**
 * Opens the adapter of a third party's module: its export `createAdapter`, else its default export, is called with the options.
 * The name is a package, or a path from the working directory.
 */
export async function openModule(name: string, options: object): Promise<LockAdapter> {
  const module = await importModule(name);
  const create = module.createAdapter ?? module.default;
  if (typeof create !== 'function') {
    throw invalid(
      `The module ${name} is no lock adapter: it must export createAdapter(options), which gives a LockAdapter.`,
    );
  }
  return assertAdapter(await create(options), `createAdapter of ${name}`);
}

/** Gives back what a third party's function made, if it is an adapter by its looks. */
export function assertAdapter(made: unknown, maker: string): LockAdapter {
  const adapter = made as Partial<LockAdapter> | undefined | null;
  const methods = [adapter?.tryAcquire, adapter?.renew, adapter?.release];
  if (methods.every((method) => typeof method === 'function') && typeof adapter?.capabilities === 'object') {
    return adapter as LockAdapter;
  }
  throw invalid(`${maker} must give a LockAdapter: name, capabilities, tryAcquire, renew and release.`);
}

/** Imports a package, or a path from the working directory. @throws LockError LOCK_UNSUPPORTED with the install command */
export async function importModule(name: string): Promise<Record<string, unknown>> {
  if (/^\.{0,2}[/\\]/.test(name)) return importOrExplain(pathToFileURL(resolve(name)).href, name);
  if (name.startsWith('file:')) return importOrExplain(name, name);
  try {
    return await import(name);
  } catch (error) {
    if (!isMissing(error, name)) throw error;
    // With a strict node_modules, a package is visible from the application only, not from this file.
    return importOrExplain(pathToFileURL(resolveFromApplication(name)).href, name);
  }
}

function resolveFromApplication(name: string): string {
  try {
    return createRequire(join(process.cwd(), 'package.json')).resolve(name);
  } catch {
    throw new LockError('LOCK_UNSUPPORTED', `The package of this lock adapter is not installed: npm install ${name}`);
  }
}

async function importOrExplain(specifier: string, name: string): Promise<Record<string, unknown>> {
  try {
    return await import(specifier);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new LockError(
      'LOCK_INVALID_ARGUMENT',
      `The lock adapter ${name} cannot be loaded: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}

function isMissing(error: unknown, name: string): boolean {
  if (!(error instanceof Error) || !/^(ERR_)?MODULE_NOT_FOUND$/.test((error as NodeJS.ErrnoException).code ?? ''))
    return false;
  return error.message.includes(`'${name}'`);
}
