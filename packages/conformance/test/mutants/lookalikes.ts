import type { LockAdapter } from '@holdfast/lock-core';
import { HASHES } from '../../src/cases/hashes.ts';
import type { Mutant } from './mutant.ts';

/** The adapter with other keys, and other owners, than it was asked for. */
function renamed(right: LockAdapter, keyOf: (key: string) => string, ownerOf = (owner: string) => owner) {
  const of = <T extends { key: string; owner: string }>({ key, owner }: T) => ({
    key: keyOf(key),
    owner: ownerOf(owner),
  });
  return {
    tryAcquire: (attempt) =>
      right.tryAcquire({ ...of(attempt), ttlMs: attempt.ttlMs, tokens: attempt.tokens, signal: attempt.signal }),
    renew: (hold, ttlMs) => right.renew(of(hold), ttlMs),
    release: (hold) => right.release(of(hold)),
  } satisfies Partial<LockAdapter>;
}

/** Names that are taken for one another. */
export const lookalikeMutants: readonly Mutant[] = [
  {
    bug: 'full-width characters count as the usual ones',
    seenIn: 'H86',
    base: 'table',
    caughtBy: ['LK-0183', 'LK-0187'],
    message: /which only look alike/,
    adapter: (right) =>
      renamed(
        right,
        (key) => key.normalize('NFKC'),
        (owner) => owner.normalize('NFKC'),
      ),
  },
  {
    bug: 'a long key is its first and its last 200 characters',
    seenIn: 'H86',
    base: 'table',
    caughtBy: ['LK-0184'],
    message: /differ in one place/,
    adapter: (right) => renamed(right, (key) => (key.length > 400 ? key.slice(0, 200) + key.slice(-200) : key)),
  },
  {
    bug: 'keys are compared by a hash of 24 bits',
    seenIn: 'H86',
    base: 'table',
    caughtBy: ['LK-0185'],
    message: /which have the same low 24 bits of FNV-1a/,
    adapter: (right) => renamed(right, (key) => String(HASHES['FNV-1a']!(Buffer.from(key)) & 0xffffff)),
  },
  {
    bug: 'owners are compared without regard to case',
    seenIn: 'H4',
    base: 'table',
    caughtBy: ['LK-0187'],
    message: /was taken for/,
    adapter: (right) =>
      renamed(
        right,
        (key) => key,
        (owner) => owner.toLowerCase(),
      ),
  },
  {
    bug: 'key and owner are joined with a colon, and compared as one',
    seenIn: 'H4, H86',
    base: 'table',
    caughtBy: ['LK-0188'],
    message: /released a key that another owner holds|shares a lock/,
    adapter: (right) => renamed(right, (key) => key.replace(/:x$/, '')),
  },
  {
    bug: 'keys are compared by a sum of twelve bits',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0186'],
    message: /shares a lock with another one/,
    adapter: (right) => renamed(right, (key) => String(twelveBits(key))),
  },
];

const twelveBits = (key: string): number =>
  Buffer.from(key).reduce((sum, byte, i) => (sum * 7 + byte * (i + 3)) % 4_093, 0);
