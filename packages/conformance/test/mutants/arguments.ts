import { type AcquireOptions, createLocks } from '@holdfast/lock-core';
import { withHandles, withKeys, withOptions } from './change-locks.ts';
import type { Mutant } from './mutant.ts';

const LONGEST = 1_024;
const KNOWN = ['ttlMs', 'waitMs', 'autoRenew', 'maxHoldMs', 'signal', 'owner', 'reentrant'];

/** Makes something of any value: a whole number of ms, at least 1. */
const repaired = (ms: unknown): number => Math.max(1, Math.min(Math.ceil(Number(ms) || 30_000), 2 ** 31));

/** Bugs in what is taken that should be refused. */
export const argumentMutants: readonly Mutant[] = [
  {
    bug: 'a TTL that is none is taken for some other',
    seenIn: 'H8, verrou',
    base: 'table',
    caughtBy: ['LK-0094'],
    message: /ttlMs: /,
    locks: (adapter, options) =>
      withOptions(createLocks(adapter, options), (asked) => ({
        ...asked,
        ...('ttlMs' in asked && { ttlMs: repaired(asked.ttlMs) }),
      })),
  },
  {
    bug: 'a renewal takes any TTL',
    seenIn: 'H8',
    base: 'table',
    caughtBy: ['LK-0095'],
    message: /renew\(/,
    locks: (adapter, options) =>
      withHandles(createLocks(adapter, options), (lock) => ({
        renew: (ttlMs) => lock.renew(ttlMs === undefined ? undefined : repaired(ttlMs)),
      })),
  },
  {
    bug: 'TTLs longer than a timer can be are refused',
    seenIn: 'H9',
    base: 'table',
    caughtBy: ['LK-0047'],
    message: /too long/,
    locks: (adapter, options) =>
      withOptions(createLocks(adapter, options), (asked) => {
        if (typeof asked.ttlMs === 'number' && asked.ttlMs > 2 ** 31 - 1) throw new RangeError('The TTL is too long');
        return asked;
      }),
  },
  {
    bug: 'a bad `waitMs` or `maxHoldMs` means none',
    seenIn: 'H8',
    base: 'table',
    caughtBy: ['LK-0096'],
    message: /waitMs|maxHoldMs/,
    locks: (adapter, options) =>
      withOptions(createLocks(adapter, options), ({ waitMs, maxHoldMs, ...asked }) => ({
        ...asked,
        waitMs: typeof waitMs === 'number' && waitMs >= 0 ? waitMs : undefined,
        maxHoldMs: typeof maxHoldMs === 'number' && maxHoldMs > 0 ? maxHoldMs : undefined,
      })),
  },
  {
    bug: 'an option that does not exist is passed over',
    seenIn: 'H88',
    base: 'table',
    caughtBy: ['LK-0115'],
    message: /"ttl"/,
    locks: (adapter, options) =>
      withOptions(
        createLocks(adapter, options),
        (asked) => Object.fromEntries(Object.entries(asked).filter(([name]) => KNOWN.includes(name))) as AcquireOptions,
      ),
  },
  {
    bug: 'whatever is given as a key is made one',
    seenIn: 'H86',
    base: 'table',
    caughtBy: ['LK-0093'],
    message: /An illegal key was taken/,
    locks: (adapter, options) =>
      withKeys(createLocks(adapter, options), (key) => (String(key) || 'default').slice(0, LONGEST)),
  },
  {
    bug: 'half of a surrogate pair is replaced, and different keys become one',
    seenIn: 'H86',
    base: 'table',
    caughtBy: ['LK-0114'],
    message: /\\ud83d/,
    locks: (adapter, options) =>
      withKeys(createLocks(adapter, options), (key) =>
        typeof key === 'string' ? Buffer.from(key, 'utf8').toString('utf8') : key,
      ),
  },
];
