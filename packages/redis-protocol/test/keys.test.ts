import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashSlot, type LockKeys, lockKeys } from '../src/index.ts';
import { nameOf } from '../src/keys.ts';

// Names of few different characters meet the rules of hash tags far more often than random ones.
const braced = fc.string({
  unit: fc.constantFrom('{', '}', '%', '7', 'B', 'D', 'a', ':', 'é'),
  minLength: 1,
  maxLength: 12,
});
const encodedLooking = braced.map(
  (name) => `{${name.replace(/[%{}]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)}}`,
);
const names = fc.oneof(braced, encodedLooking, fc.string({ minLength: 1 }));
const prefixes = fc.constantFrom('lock:', 'l', 'locks/', 'fen:', 'app:fence:');
const clientPrefixes = fc.constantFrom('', 'app:', 'fence:');

describe('hashSlot', () => {
  it('agrees with the examples of the Redis Cluster specification', () => {
    expect(hashSlot('123456789')).toBe(0x31c3);
    expect(hashSlot('{user1000}.following')).toBe(hashSlot('{user1000}.followers'));
    expect(hashSlot('foo{{bar}}zap')).toBe(hashSlot('{bar'));
    expect(hashSlot('foo{bar}{zap}')).toBe(hashSlot('bar'));
    expect(hashSlot('foo{}{bar}')).not.toBe(hashSlot('bar'));
  });
});

/** All keys of a lock; its members are made when they are read. */
const allOf = ({ lock, fence, queue, places }: LockKeys) => ({ lock, fence, queue, places });

describe('lockKeys', () => {
  it('keeps names readable and hash tags in force', () => {
    const keys = lockKeys('lock:');
    const at = (lock: string, rest: string) => ({
      lock,
      fence: `fence:${rest}`,
      queue: `fence:queue:${rest}`,
      places: `fence:places:${rest}`,
    });
    expect(allOf(keys('invoice:42'))).toEqual(at('lock:invoice:42', '{lock:invoice:42}'));
    expect(allOf(keys('{shop}:42'))).toEqual(at('lock:{shop}:42', '{shop}:lock:{shop}:42'));
    expect(allOf(keys('a}b'))).toEqual(at('lock:{a%7Db}', '{a%7Db}:lock:{a%7Db}'));
    expect(allOf(keys('{}'))).toEqual(at('lock:{%7B%7D}', '{%7B%7D}:lock:{%7B%7D}'));
    expect(allOf(keys('{'))).toEqual(at('lock:{', '{lock:{}'));
  });

  it('H17: the keys of one lock share a slot, whatever the name', () => {
    fc.assert(
      fc.property(names, prefixes, clientPrefixes, (name, prefix, clientPrefix) => {
        const { lock, ...others } = allOf(lockKeys(prefix, clientPrefix)(name));
        const slot = hashSlot(clientPrefix + lock);
        expect(Object.values(others).map((key) => hashSlot(clientPrefix + key))).toEqual([slot, slot, slot]);
      }),
      { numRuns: 3_000 },
    );
  });

  it('leads back to the name, and from no other key to any', () => {
    fc.assert(
      fc.property(names, prefixes, (name, prefix) => {
        expect(nameOf(prefix, lockKeys(prefix)(name).lock)).toBe(name);
        const found = nameOf(prefix, prefix + name);
        if (found !== undefined) expect(lockKeys(prefix)(found).lock).toBe(prefix + name);
      }),
      { numRuns: 3_000 },
    );
    expect(nameOf('lock:', 'fence:{lock:a}')).toBeUndefined();
    expect(nameOf('lock:', 'lock:{}')).toBeUndefined();
    expect(nameOf('lock:', 'lock:')).toBeUndefined();
  });

  it('H86: two names never share a key, and no other key is a lock key', () => {
    fc.assert(
      fc.property(names, names, prefixes, clientPrefixes, (one, other, prefix, clientPrefix) => {
        const keys = lockKeys(prefix, clientPrefix);
        const [a, b] = [keys(one), keys(other)];
        const all = [...Object.values(allOf(a)), ...Object.values(allOf(b))];
        expect(new Set(all).size).toBe(one === other ? all.length / 2 : all.length);
      }),
      { numRuns: 10_000 },
    );
  });

  it('H86: a name and what it is encoded to have different keys, over three rounds of encoding', () => {
    fc.assert(
      fc.property(names, (name) => {
        const keys = lockKeys('lock:');
        const seen = new Set<string>();
        let next = name;
        for (let i = 0; i < 4; i++) {
          const { lock } = keys(next);
          expect(seen.has(lock)).toBe(false);
          seen.add(lock);
          if (lock === `lock:${next}`) return;
          next = lock.slice('lock:'.length);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it.each(['', '{', 'a}', 'fence:', 'fence:x', 'f', 'fence'])('refuses the prefix %j', (prefix) => {
    expect(() => lockKeys(prefix)).toThrow(expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT' }));
  });
});
