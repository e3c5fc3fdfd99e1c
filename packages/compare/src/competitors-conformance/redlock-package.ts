import { createRequire } from 'node:module';
import type { Redis } from 'ioredis';

/** What is used of the package, whose exports name no types. */
export interface PackageLock {
  readonly expiration: number;
  release(): Promise<unknown>;
  extend(durationMs: number): Promise<PackageLock>;
}

interface Votes {
  readonly votesAgainst: ReadonlyMap<unknown, Error>;
}

export interface PackageRedlock {
  acquire(keys: string[], durationMs: number): Promise<PackageLock>;
  using<T>(
    keys: string[],
    durationMs: number,
    settings: { automaticExtensionThreshold: number },
    routine: (signal: AbortSignal) => Promise<T>,
  ): Promise<T>;
}

interface PackageSettings {
  readonly retryCount: number;
  readonly retryDelay?: number;
  readonly retryJitter?: number;
}

interface RedlockPackage {
  readonly default: new (clients: readonly Redis[], settings: PackageSettings) => PackageRedlock;
  readonly ExecutionError: new (...args: never[]) => Error & { readonly attempts: readonly Promise<Votes>[] };
  readonly ResourceLockedError: new (...args: never[]) => Error;
}

const redlockPackage: RedlockPackage = createRequire(import.meta.url)('redlock');
export const Redlock: RedlockPackage['default'] = redlockPackage.default;
export const ExecutionError: RedlockPackage['ExecutionError'] = redlockPackage.ExecutionError;
const ResourceLockedError: RedlockPackage['ResourceLockedError'] = redlockPackage.ResourceLockedError;

/** One attempt for each call: to try again is lock-core's part. */
export const makeRedlock = (clients: readonly Redis[]): PackageRedlock => new Redlock(clients, { retryCount: 0 });

/** Whether all nodes that refused said that another holds the key, or that this one does not; any other failure is unknown. */
export async function isRefusal(error: unknown): Promise<boolean> {
  if (!(error instanceof ExecutionError)) return false;
  const votes = await Promise.all(error.attempts);
  return votes.every(({ votesAgainst }) =>
    [...votesAgainst.values()].every((vote) => vote instanceof ResourceLockedError),
  );
}
