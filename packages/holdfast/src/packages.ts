import module from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isLockError, type LockAdapter, LockError } from '@holdfast/lock-core';
import { invalid } from './invalid.ts';

/**
 * What an adapter package exports for `openLocks(url, { adapters: [ioredisAdapterFactory] })`. The application imports it, so that
 * every bundler finds it.
 */
export interface AdapterFactory {
  /** The name of the adapter, such as `ioredis`. */
  readonly name: string;
  open(target: never, options: never): LockAdapter | Promise<LockAdapter>;
}

/** A package of ours that binds one client library. */
export interface AdapterPackage {
  /** The name of its factory. */
  readonly adapter: string;
  readonly name: string;
  /** What must be installed beside it: its client library. */
  readonly needs: readonly string[];
  load(): Promise<AdapterFactory | LoadFailure | undefined>;
  /** What the target contains in addition to the URL. */
  readonly target?: object;
}

/** Why a package could not be imported. */
export interface LoadFailure {
  readonly failure: unknown;
}

/** Keeps the reason why an import failed. */
export function loadFailure(failure: unknown): LoadFailure {
  return { failure };
}

/**
 * Opens a target with the first of the packages that is given as a factory, otherwise with the first that is installed together
 * with its client.
 * @throws LockError LOCK_UNSUPPORTED with the install command if none is, or with the reason if one cannot be loaded.
 */
export async function openInstalled(
  packages: readonly AdapterPackage[],
  target: object,
  options: object = {},
  given: readonly AdapterFactory[] = [],
): Promise<LockAdapter> {
  for (const { adapter, target: more } of packages) {
    const factory = given.find(({ name }) => name === adapter);
    if (factory !== undefined) return factory.open({ ...target, ...more } as never, options as never);
  }
  for (const one of packages) {
    const { name, load, target: more } = one;
    const loaded = await load();
    if (loaded === undefined)
      throw cannotBeLoaded(name, new Error('its version does not fit this version of holdfast.'));
    if ('failure' in loaded) {
      if (isNotInstalled(one, loaded.failure)) continue;
      throw cannotBeLoaded(name, loaded.failure);
    }
    try {
      return await loaded.open({ ...target, ...more } as never, options as never);
    } catch (error) {
      // An adapter over several clients reports by itself that one is missing. If one cannot be loaded, the error has a cause.
      if (!isLockError(error, 'LOCK_UNSUPPORTED') || error.cause !== undefined) throw error;
    }
  }
  throw notInstalled(packages);
}

/** Why a package cannot be imported, with what to do about it. */
export function explainLoadFailure(one: AdapterPackage, failure: unknown): LockError {
  return isNotInstalled(one, failure) ? notInstalled([one]) : cannotBeLoaded(one.name, failure);
}

const isNotInstalled = ({ name, needs }: AdapterPackage, failure: unknown): boolean =>
  [name, ...needs].some((wanted) => isMissing(failure, wanted));

function notInstalled(packages: readonly AdapterPackage[]): LockError {
  const commands = packages.map(({ name, needs }) => ['npm install', name, ...needs].join(' '));
  return new LockError(
    'LOCK_UNSUPPORTED',
    `The package for this backend is not installed: ${commands.join('   or   ')}`,
  );
}

function cannotBeLoaded(name: string, cause: unknown): LockError {
  const reason = cause instanceof Error ? cause.message.split('\n')[0]! : String(cause);
  const [, remedy = ''] = remediesInBundles.find(([pattern]) => pattern.test(reason)) ?? [];
  const message = `The package ${name} is installed but cannot be loaded: ${reason}${remedy}`;
  return new LockError('LOCK_UNSUPPORTED', message, { cause });
}

/** What a bundle breaks, by the error that Node then reports. */
const remediesInBundles: readonly (readonly [RegExp, string])[] = [
  [
    /__dirname|rpc\.proto/,
    '. In a bundle, its client cannot find its own files: make the client external, and install it where the bundle runs.',
  ],
  [
    /^Dynamic require of|require is not defined/,
    '. A bundle in the format of ES modules must be given a `require`: see "Bundles" in the README of holdfast.',
  ],
];

/**
 * Opens the adapter of a third party's module: its export `createAdapter`, otherwise its default export, is called with the options.
 * The name is a package, or a path from the working directory.
 */
export async function openModule(name: string, options: object): Promise<LockAdapter> {
  const loaded = await importModule(name);
  const create = loaded.createAdapter ?? loaded.default;
  if (typeof create !== 'function') {
    throw invalid(
      `The module ${name} is not a lock adapter: it must export createAdapter(options), which returns a LockAdapter.`,
    );
  }
  return assertAdapter(await create(options), `createAdapter of ${name}`);
}

/** Returns the result of a third party's function if it has the shape of an adapter. */
export function assertAdapter(made: unknown, maker: string): LockAdapter {
  const adapter = made as Partial<LockAdapter> | undefined | null;
  const methods = [adapter?.tryAcquire, adapter?.renew, adapter?.release];
  if (methods.every((method) => typeof method === 'function') && typeof adapter?.capabilities === 'object') {
    return adapter as LockAdapter;
  }
  throw invalid(`${maker} must return a LockAdapter: name, capabilities, tryAcquire, renew and release.`);
}

/** Imports a package, or a path from the working directory. @throws LockError LOCK_UNSUPPORTED with the install command */
export async function importModule(name: string): Promise<Record<string, unknown>> {
  if (/^\.{0,2}[/\\]/.test(name)) return importOrExplain(pathToFileURL(resolve(name)).href, name);
  if (name.startsWith('file:')) return importOrExplain(name, name);
  try {
    return await import(/* webpackIgnore: true */ /* turbopackIgnore: true */ /* @vite-ignore */ name);
  } catch (error) {
    if (!isMissing(error, name)) throw error;
    // With a strict node_modules, a package is visible from the application only, not from this file.
    return importOrExplain(pathToFileURL(resolveFromApplication(name)).href, name);
  }
}

function resolveFromApplication(name: string): string {
  try {
    // By its full name: webpack would follow a plain `createRequire`.
    return module.createRequire(join(process.cwd(), 'package.json')).resolve(name);
  } catch {
    throw new LockError('LOCK_UNSUPPORTED', `The package of this lock adapter is not installed: npm install ${name}`);
  }
}

async function importOrExplain(specifier: string, name: string): Promise<Record<string, unknown>> {
  try {
    return await import(/* webpackIgnore: true */ /* turbopackIgnore: true */ /* @vite-ignore */ specifier);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LockError('LOCK_INVALID_ARGUMENT', `The lock adapter ${name} cannot be loaded: ${reason}`, {
      cause: error,
    });
  }
}

function isMissing(error: unknown, name: string): boolean {
  if (!(error instanceof Error) || !/^(ERR_)?MODULE_NOT_FOUND$/.test((error as NodeJS.ErrnoException).code ?? ''))
    return false;
  return error.message.includes(`'${name}'`);
}
