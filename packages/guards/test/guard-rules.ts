import { expect, it } from 'vitest';
import type { FencingToken } from '../src/index.ts';

/** One guard before one server, seen by two of its clients. */
export interface Stage {
  /** A fenced write of one line at the end of the resource's log. */
  append(client: 0 | 1, resource: string, token: FencingToken, line: string): Promise<boolean>;
  /** A look that writes nothing. */
  check(client: 0 | 1, resource: string, token: FencingToken): Promise<boolean>;
  /** The log, in the order in which the server took the lines. */
  log(resource: string): Promise<string[]>;
}

/** What every guard does, whatever the resource is kept in. */
export function guardRules(stage: () => Stage): void {
  it('H36: takes rising tokens and refuses a lower one, which writes nothing', async () => {
    const { append, log } = stage();
    expect(await append(0, 'rising', 7n, 'seven')).toBe(true);
    expect(await append(1, 'rising', 9n, 'nine')).toBe(true);
    expect(await append(0, 'rising', 8n, 'eight')).toBe(false);
    expect(await append(1, 'rising', 7n, 'seven again')).toBe(false);
    expect(await append(1, 'rising', 10n, 'ten')).toBe(true);
    expect(await log('rising')).toEqual(['seven', 'nine', 'ten']);
  });

  it('H109: raises its mark by writes only: the look of one reader does not shut out another, or a writer', async () => {
    const { append, check, log } = stage();
    expect(await check(0, 'readers', 4n)).toBe(true);
    expect(await append(0, 'readers', 3n, 'three')).toBe(true);
    expect(await check(0, 'readers', 9n)).toBe(true);
    expect(await check(1, 'readers', 5n)).toBe(true);
    expect(await append(1, 'readers', 4n, 'four')).toBe(true);
    expect(await check(1, 'readers', 3n)).toBe(false);
    expect(await log('readers')).toEqual(['three', 'four']);
  });

  it('takes the same token again: one hold may write more than once', async () => {
    const { append, log } = stage();
    expect(await append(0, 'same', 3n, 'first')).toBe(true);
    expect(await append(0, 'same', 3n, 'second')).toBe(true);
    expect(await append(1, 'same', 3n, 'third')).toBe(true);
    expect(await log('same')).toEqual(['first', 'second', 'third']);
  });

  it('keeps resources apart', async () => {
    const { append } = stage();
    expect(await append(0, 'left', 100n, 'late')).toBe(true);
    expect(await append(0, 'right', 1n, 'early')).toBe(true);
  });

  it('H62: compares numbers, not texts or floats', async () => {
    const { append } = stage();
    const top = 2n ** 63n - 1n;
    for (const token of [0n, 9n, 10n, 999n, 1_000n, 2n ** 53n, 2n ** 53n + 1n, top - 1n, top]) {
      expect(await append(0, 'numbers', token, String(token))).toBe(true);
      if (token > 0n) expect(await append(0, 'numbers', token - 1n, 'lower')).toBe(false);
    }
  });

  it('of many writers at once, the log that stands is in the order of tokens', { timeout: 60_000 }, async () => {
    const { append, log } = stage();
    // A fixed shuffle of 1 to 60: 37 and 61 share no divisor.
    const tokens = Array.from({ length: 60 }, (_, i) => (((i + 1) * 37) % 61) + 0);
    const taken = await Promise.all(
      tokens.map((token, i) => append((i % 2) as 0 | 1, 'race', BigInt(token), String(token))),
    );
    const accepted = tokens.filter((_, i) => taken[i]).map(String);
    const lines = await log('race');
    expect([...lines].sort()).toEqual([...accepted].sort());
    expect(lines.map(Number)).toEqual(lines.map(Number).sort((a, b) => a - b));
    expect(lines.at(-1)).toBe('60');
  });

  it('many writes of one hold at once are all taken', async () => {
    const { append, log } = stage();
    const lines = Array.from({ length: 20 }, (_, i) => `line ${i}`);
    const taken = await Promise.all(lines.map((line, i) => append((i % 2) as 0 | 1, 'burst', 5n, line)));
    expect(taken).not.toContain(false);
    expect((await log('burst')).sort()).toEqual(lines.sort());
  });

  it('refuses what is no token before anything is sent', async () => {
    const { append, log } = stage();
    await expect(append(0, 'none', undefined, 'x')).rejects.toThrow(/require: \{ fencing: true \}/);
    await expect(append(0, 'none', -1n, 'x')).rejects.toThrow(TypeError);
    await expect(append(0, 'none', 2n ** 63n, 'x')).rejects.toThrow(TypeError);
    await expect(append(0, 'none', 5 as unknown as bigint, 'x')).rejects.toThrow(/not number 5/);
    expect(await log('none')).toEqual([]);
  });
}
