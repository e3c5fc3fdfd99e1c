import { describe, expect, it } from 'vitest';
import type { HistoryEvent } from '../../src/history/index.ts';
import { judge } from '../../src/stress/index.ts';

type Part = Pick<HistoryEvent, 't' | 'f' | 'kind'> & Partial<HistoryEvent>;

/** The events of one hold with the token `fence`; each call has one answer. */
const story = (hold: string, fence: bigint, parts: readonly Part[]): HistoryEvent[] =>
  parts.map((part) => ({ process: 'P', op: `${hold}/${part.f}`, key: 'k', hold, owner: hold, fence, ...part }));
const held = (hold: string, fence: bigint, from: number, to: number) =>
  story(hold, fence, [
    { t: from - 1, f: 'acquire', kind: 'invoke' },
    { t: from, f: 'acquire', kind: 'ok', deadline: to + 100 },
    { t: to, f: 'release', kind: 'invoke' },
    { t: to + 1, f: 'release', kind: 'ok' },
  ]);
const write = (fence: bigint, from: number, to: number, kind: HistoryEvent['kind']) =>
  story(`write ${fence}`, fence, [
    { t: from, f: 'write', kind: 'invoke' },
    { t: to, f: 'write', kind },
  ]);
const messages = (events: readonly HistoryEvent[]) => judge(events).violations.map(({ message }) => message);

describe('the judgement of a stress run', () => {
  it('has nothing to say of holds one after the other, whose late writes are refused', () => {
    const events = [
      ...held('a', 1n, 10, 20),
      ...held('b', 2n, 30, 50),
      ...write(2n, 31, 32, 'ok'),
      ...write(1n, 33, 34, 'fail'),
    ];
    expect(messages(events)).toEqual([]);
  });

  it('a holder whose write is refused: somebody had a higher token before', () => {
    expect(messages([...held('a', 1n, 10, 50), ...write(1n, 20, 30, 'fail')])).toEqual([
      expect.stringContaining('refused a write with the token 1 while a'),
    ]);
  });

  it('a write that began before the hold or ended after it, or had no answer, proves nothing', () => {
    for (const [from, to, kind] of [
      [5, 30, 'fail'],
      [20, 60, 'fail'],
      [20, 30, 'info'],
    ] as const) {
      expect(messages([...held('a', 1n, 10, 50), ...write(1n, from, to, kind)])).toEqual([]);
    }
  });

  it('two holders, and a token that goes back', () => {
    expect(messages([...held('a', 1n, 10, 50), ...held('b', 2n, 40, 60)])).toEqual([
      expect.stringContaining('two holders'),
    ]);
    expect(messages([...held('a', 2n, 10, 20), ...held('b', 1n, 40, 60)])).toEqual([
      expect.stringContaining('must rise'),
    ]);
  });

  it('an owner that asks again after it lost the key is no riddle for it', () => {
    const lost = story('a', 1n, [
      { t: 9, f: 'acquire', kind: 'invoke' },
      { t: 10, f: 'acquire', kind: 'ok', deadline: 20 },
      { t: 25, f: 'hold', kind: 'lost', deadline: 20 },
    ]);
    const again = held('b', 2n, 30, 40).map((event) => ({ ...event, owner: 'a' }));
    expect(messages([...lost, ...again])).toEqual([]);
  });

  it('a killed process re-entered a hold whose renewals nobody saw; after another holder that is a token that went back', () => {
    const killed = (hold: string, from: number, deadline: number) =>
      story(hold, 1n, [
        { t: from - 1, f: 'acquire', kind: 'invoke', owner: 'a' },
        { t: from, f: 'acquire', kind: 'ok', owner: 'a', deadline },
      ]);
    const reentered = [...killed('outer', 10, 20), ...killed('inner', 50, 60)];
    expect(messages(reentered)).toEqual([]);
    expect(messages([...reentered, ...held('b', 2n, 30, 40)])).toEqual([expect.stringContaining('must rise')]);
  });
});
