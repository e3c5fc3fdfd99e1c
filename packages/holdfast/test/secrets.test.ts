import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../src/config.ts';

const read = (config: string) => readConfig(config, {});

describe('a password is never shown', () => {
  const password = 'hUnter2 sEcret';
  // As people write them: encoded, not encoded, with characters that end a part of the URL early, in the wrong place.
  const written = [
    'hUnter2%20sEcret',
    'hUnter2 sEcret',
    'hUn/ter2',
    'hUn?ter2',
    'hUn#ter2',
    'hUn%ter2',
    'hUn@ter2',
    'hUn:ter2',
  ];
  const shapes = [
    (p: string) => `redis//user:${p}@host`,
    (p: string) => `redis:/user:${p}@host`,
    (p: string) => `redis:user:${p}@host`,
    (p: string) => `user:${p}@host`,
    (p: string) => `:${p}@host`,
    (p: string) => `reddis://user:${p}@host`,
    (p: string) => `postgres://user:${p}@host`,
    (p: string) => `redis://user:${p}@host:port`,
    (p: string) => `redis://user:${p}@a,b`,
    (p: string) => `redis://user:${p}`,
    (p: string) => `redis://:${p}@`,
    (p: string) => `redis://user:${p}@host?tll=1s`,
    (p: string) => `redis://host?password=${p}`,
    (p: string) => `redis://host?ttl=${p}`,
    (p: string) => `redis://host/${p}`,
    (p: string) => `redis+sentinel://user:${p}@host`,
    (p: string) => `redlock://user:${p}@`,
    (p: string) => `etcd://user:${p}@h1:x`,
    (p: string) => `memory://user:${p}@`,
    (p: string) => `memory://:${p}@host`,
  ];

  it.each(shapes.map((shape) => [shape('<password>'), shape] as const))('%s', async (_, shape) => {
    for (const form of written) {
      const error = await Promise.resolve()
        .then(() => read(shape(form)).open())
        .then((adapter) => adapter.close?.())
        .catch((thrown: unknown) => thrown);
      if (error === undefined) continue; // by chance a right URL, such as redis://host/…
      const shown = inspect(error, { depth: 10, showHidden: true });
      expect(shown).not.toMatch(/hUn|ter2|sEcret/);
      expect(shown).not.toContain(password);
    }
  });

  it('whatever characters it has, and however wrong the rest is', () => {
    const reserved = fc.string({ unit: fc.constantFrom(...':/?#[]@!$&,;=%+. "a1'), maxLength: 6 });
    const scheme = fc.constantFrom('redis', 'rediss+cluster', 'redis+sentinel', 'redi', 'etcd', 'memory', 'x', '');
    const slashes = fc.constantFrom('://', ':/', ':', '//', ':///');
    const rest = fc.constantFrom('host', 'host:1', 'h:x', 'a,b', '', 'host/1?ttl=1', 'host?tll=1s', '[::1', 'host#');
    fc.assert(
      fc.property(scheme, slashes, reserved, reserved, rest, (name, mark, before, after, end) => {
        try {
          read(`${name}${mark}user:${before}Zq7x${after}@${end}`);
        } catch (error) {
          expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('Zq7x');
        }
      }),
      { numRuns: 5_000 },
    );
  });
});
