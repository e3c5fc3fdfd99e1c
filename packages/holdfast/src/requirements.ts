import { type Capabilities, LockError } from '@holdfast/lock-core';
import { invalid } from './invalid.ts';
import { checkNames } from './options.ts';
import { schemes } from './schemes.ts';

/** What an application requires of a backend. A field that is left out or false requires nothing. */
export interface Requirements {
  /** Fencing tokens that increase across releases, expiry and crashes. */
  fencing?: boolean | undefined;
  /** Exclusion that still holds after the backend has lost its leader or primary. */
  survivesFailover?: boolean | undefined;
  /** Exclusion between processes, not only between the tasks of one. */
  crossProcess?: boolean | undefined;
  /** Grants in the order in which all waiters queued, across processes. Turns local hand-over off. */
  fairness?: 'fifo' | undefined;
  /** What frees the lock of a crashed holder. */
  expiry?: 'ttl' | 'session' | undefined;
  /** Waiters are notified of a release, instead of polling. */
  wakeup?: 'push' | undefined;
  /** Shared locks beside exclusive ones: many readers or one writer. */
  shared?: boolean | undefined;
  /** Semaphores. */
  permits?: boolean | undefined;
  /** Upper bounds for the `ttl` capabilities of the backend, in ms. */
  ttl?: Partial<Capabilities['ttl']> | undefined;
}

const flags = [
  'fencing',
  'survivesFailover',
  'crossProcess',
  'fairness',
  'expiry',
  'wakeup',
  'shared',
  'permits',
] as const;
const ttlBounds = ['minMs', 'granularityMs', 'maxOvershootMs'] as const;

/** Refuses misspelt requirements before anything is opened: a requirement that is never read would give false safety. */
export function checkRequirementNames(required: Requirements): void {
  checkNames(required, [...flags, 'ttl'], 'require');
  const { ttl = {} } = required;
  checkNames(ttl, ttlBounds, 'require.ttl');
  for (const bound of ttlBounds) {
    // Nothing is greater than NaN, or than a text.
    if (ttl[bound] === undefined || ttl[bound] >= 0) continue;
    throw invalid(`require.ttl.${bound} is a number of ms, 0 or more, not ${String(ttl[bound])}.`);
  }
}

/**
 * Compares a backend with what the application needs of it.
 * @throws LockError LOCK_UNSUPPORTED, which names what is missing and the backends that provide it.
 */
export function assertRequirements(name: string, given: Capabilities, required: Requirements): void {
  const missing: string[] = [];
  for (const flag of flags) {
    const needed = required[flag];
    if (needed === undefined || needed === false || given[flag] === needed) continue;
    missing.push(`${typeof needed === 'string' ? `${flag}: ${needed}` : flag} (${backendsWith(flag, needed)})`);
  }
  for (const bound of ttlBounds) {
    const limit = required.ttl?.[bound];
    if (limit !== undefined && given.ttl[bound] > limit) {
      missing.push(`ttl.${bound} of at most ${limit} ms (it has ${given.ttl[bound]} ms)`);
    }
  }
  if (missing.length === 0) return;
  throw new LockError('LOCK_UNSUPPORTED', `The lock backend ${name} lacks what is required: ${missing.join('; ')}.`);
}

/** Other names of a backend that is already listed. */
const isOtherName = (name: string): boolean => name.includes('+') || ['rediss', 'postgresql'].includes(name);

function backendsWith(flag: (typeof flags)[number], needed: string | true): string {
  const giving = Object.entries(schemes)
    .filter(([name, scheme]) => !isOtherName(name) && scheme.gives[flag] === needed)
    .map(([name]) => name);
  return giving.length === 0 ? 'no backend has it' : `available with ${giving.join(', ')}`;
}
