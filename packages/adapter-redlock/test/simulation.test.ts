import { describe, expect, it } from 'vitest';
import { Broken } from './model/judge.ts';
import { type Assumptions, type Faults, play } from './model/schedule.ts';

// Another seed plays other schedules: REDLOCK_SEED=12345 npx vitest run packages/adapter-redlock/test/simulation.test.ts
const firstSeed = Number(process.env.REDLOCK_SEED ?? 1);
const timeout = 300_000;

const remembering: Assumptions = { clocks: 'good', restart: 'with-memory' };
const madClocks: Assumptions = { clocks: 'mad', restart: 'with-memory' };
const forgetting: Assumptions = { clocks: 'good', restart: 'empty-delayed' };
const withoutTokens: Assumptions = { clocks: 'good', restart: 'with-memory', tokens: false };
const forgettingAtOnce: Assumptions = { clocks: 'good', restart: 'empty-at-once' };

/** Plays schedules one by one; the seed of a failing one is in its message. */
function playAll(count: number, assumptions: Assumptions): number {
  let grants = 0;
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    try {
      grants += play(seed, assumptions);
    } catch (error) {
      throw new Error(`Schedule with seed ${seed}: ${String(error)}`, { cause: error });
    }
  }
  return grants;
}

/** The first promise that is seen broken, if one is. */
function firstBroken(
  assumptions: Assumptions,
  faults: Faults,
  exclusion?: boolean,
): { promise: string; seed: number } | undefined {
  for (let seed = firstSeed; seed < firstSeed + 20_000; seed++) {
    try {
      play(seed, assumptions, faults, exclusion);
    } catch (error) {
      if (error instanceof Broken) return { promise: error.promise, seed };
      throw error;
    }
  }
  return undefined;
}

// All of them in `npm run test:all`: packages/simulation plays the shipped code on a network in `npm test` as well.
const share = process.env.HOLDFAST_TEST_ALL === '1' ? 1 : 5;

describe('100,000 schedules (a fifth of them in npm test) of delay, loss, overtaking, repetition, pauses, clock steps and restarts', () => {
  it(
    'H28, H34, H36: clocks at the right speed, nodes that remember: one holder, and tokens unique and rising',
    () => {
      expect(playAll(60_000 / share, remembering)).toBeGreaterThan(60_000 / share);
    },
    timeout,
  );

  it(
    'H22, H49: clocks at any speed that jump: two may believe in it, but tokens stay unique and rising',
    () => {
      expect(playAll(20_000 / share, madClocks)).toBeGreaterThan(20_000 / share);
    },
    timeout,
  );

  it(
    'H20: nodes that forget and stay away for a while, wall clocks roughly right: all of it holds',
    () => {
      expect(playAll(20_000 / share, forgetting)).toBeGreaterThan(20_000 / share);
    },
    timeout,
  );
});

it(
  'H28, H34: without fencing, 20,000 more schedules: one holder all the same',
  () => {
    expect(playAll(20_000 / share, withoutTokens)).toBeGreaterThan(20_000 / share);
  },
  timeout,
);

describe('with readers, writers and permits, 10,000 more schedules each', () => {
  it.each(['shared', 'permits'] as const)(
    'H91, H98, H108: %s: none beside whom it must not be, and tokens in order',
    (modes) => {
      expect(playAll(10_000 / share, { ...remembering, modes })).toBeGreaterThan(10_000 / share);
    },
    timeout,
  );

  it.each<['shared' | 'permits', string, Faults]>([
    ['permits', 'one vote fewer than is sound', { oneVoteTooFew: true }],
    ['shared', 'a vote for a reader beside a writer', { readersBesideWriters: true }],
    ['shared', 'a late release of one round that takes the votes of the next', { releasesAnyRound: true }],
  ])(
    'the simulation sees, of %s: %s',
    (modes, _, faults) => {
      expect(firstBroken({ ...remembering, modes }, faults)).toBeDefined();
    },
    timeout,
  );
});

describe('the simulation sees', () => {
  it.each<[string, Faults]>([
    ['no allowance for drift', { noDrift: true }],
    ['nodes that do not keep the token', { forgetsToken: true }],
    ['an equal token that is accepted', { acceptsEqualTokens: true }],
    ['a late release of one round that takes the votes of the next', { releasesAnyRound: true }],
    ['a refresh that shortens the lease', { refreshShortens: true }],
    ['votes that are released before the hold is over', { releasesEarly: true }],
    ['half of the nodes that pass for a majority', { halfIsEnough: true }],
  ])(
    '%s',
    (_, faults) => {
      expect(firstBroken(remembering, faults)).toBeDefined();
    },
    timeout,
  );

  it.each<[string, Faults]>([
    ['a late release of one round that takes the votes of the next', { releasesAnyRound: true }],
    ['a late request of one round that replaces the votes of the next', { replacesLaterRounds: true }],
  ])(
    'without fencing: %s',
    (_, faults) => {
      expect(firstBroken(withoutTokens, faults)).toBeDefined();
    },
    timeout,
  );

  it(
    'H20: why a node that forgets has to stay away: two holders',
    () => {
      expect(firstBroken(forgettingAtOnce, {}, true)).toBeDefined();
    },
    timeout,
  );
});
