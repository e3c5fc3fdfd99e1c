import { describe, expect, it } from 'vitest';
import {
  checkExclusion,
  checkFences,
  checkLinearizable,
  fenced,
  type Hold,
  interpret,
  isAmbiguous,
  type LockOp,
  type Model,
  operationsOf,
  ownerAware,
  reentrant,
  reentrantFenced,
  split,
} from '../src/history/index.ts';
import { type Recipe, randomFrom, randomHistory } from './support/random-history.ts';

/** How many random histories in all. HOLDFAST_SEED repeats a run. */
const runs = Number(process.env.HOLDFAST_HISTORIES ?? 100_000);
const seed = Number(process.env.HOLDFAST_SEED ?? 20_261_121);

interface Subject<State> {
  readonly model: Model<State, LockOp>;
  readonly recipe: Recipe;
  sweep(holds: readonly Hold[]): boolean;
}

const excludes = (holds: readonly Hold[]): boolean => checkExclusion(holds).length === 0;
const excludesAndRises = (holds: readonly Hold[]): boolean => excludes(holds) && checkFences(holds).length === 0;

const onMutex: Subject<string | undefined> = {
  model: ownerAware(),
  recipe: { processes: 3, contexts: 1, fencing: false },
  sweep: excludes,
};

function compare<State>({ model, recipe, sweep }: Subject<State>, count: number, exactFor = (_holds: Hold[]) => true) {
  const random = randomFrom(seed);
  const seen = { valid: 0, invalid: 0, left: 0, disagreements: [] as string[] };
  for (let run = 0; run < count; run++) {
    const { events, operations } = randomHistory(random, recipe);
    const { holds } = interpret(events);
    const { verdict } = checkLinearizable(model, operations);
    if (!exactFor([...holds])) {
      seen.left++;
      continue;
    }
    if (verdict === 'valid') seen.valid++;
    else seen.invalid++;
    if (sweep(holds) !== (verdict === 'valid')) seen.disagreements.push(`seed ${seed}, history ${run}: ${verdict}`);
  }
  return seen;
}

describe('the sweep and the search agree on random histories', () => {
  it(`of a lock: ${runs / 2}`, { timeout: 600_000 }, () => {
    const { valid, invalid, disagreements } = compare(onMutex, runs / 2);
    expect(disagreements).toEqual([]);
    // Both verdicts are common, or the agreement says little.
    expect(Math.min(valid, invalid)).toBeGreaterThan(runs / 20);
  });

  it(`of a lock with fencing tokens: ${(runs * 3) / 8}`, { timeout: 600_000 }, () => {
    const recipe = { processes: 2, contexts: 1, fencing: true };
    const { valid, invalid, disagreements } = compare(
      { model: fenced(), recipe, sweep: excludesAndRises },
      (runs * 3) / 8,
    );
    expect(disagreements).toEqual([]);
    expect(Math.min(valid, invalid)).toBeGreaterThan(runs / 40);
  });

  it(`of a reentrant lock whose owners do two things at once: ${runs / 8}`, { timeout: 600_000 }, () => {
    const recipe = { processes: 2, contexts: 2, fencing: false };
    const { valid, invalid, disagreements } = compare({ model: reentrant(), recipe, sweep: excludes }, runs / 8);
    expect(disagreements).toEqual([]);
    expect(Math.min(valid, invalid)).toBeGreaterThan(runs / 100);
  });

  it(`of a reentrant lock with tokens, except where it is open what a re-entry belongs to: ${runs / 8}`, {
    timeout: 600_000,
  }, () => {
    const recipe = { processes: 2, contexts: 2, fencing: true };
    const subject = { model: reentrantFenced(), recipe, sweep: excludesAndRises };
    const { valid, invalid, left, disagreements } = compare(subject, runs / 8, (holds) => !isAmbiguous(holds));
    expect(disagreements).toEqual([]);
    expect(Math.min(valid, invalid)).toBeGreaterThan(runs / 500);
    expect(left).toBeGreaterThan(0);
  });

  it('and the search of the windows agrees with the search of the whole', { timeout: 600_000 }, () => {
    const random = randomFrom(seed);
    let cuts = 0;
    for (let run = 0; run < runs / 20; run++) {
      const { events, operations } = randomHistory(random, { processes: 2, contexts: 1, fencing: false });
      const { holds } = interpret(events);
      const windows = split(holds);
      cuts += windows.length - 1;
      const whole = checkLinearizable(ownerAware(), operations).verdict;
      expect(checkLinearizable(ownerAware(), operationsOf(holds)).verdict, `seed ${seed}, history ${run}`).toBe(whole);
      const parts = windows.map((window) => checkLinearizable(ownerAware(), operationsOf(window)).verdict);
      expect(
        parts.every((verdict) => verdict === 'valid'),
        `seed ${seed}, history ${run}`,
      ).toBe(whole === 'valid');
    }
    expect(cuts).toBeGreaterThan(runs / 200);
  });
});

describe('a sweep with a mistake is found', () => {
  const mistakes: Record<string, (hold: Hold) => Hold> = {
    'the core begins at the invoke': (hold) => ({ ...hold, start: hold.invokedAt }),
    'the core ends later': (hold) => ({ ...hold, end: hold.end + 1 }),
    'the core ends sooner': (hold) => ({ ...hold, end: Math.max(hold.start, hold.end - 1) }),
    'touching counts as overlap': (hold) => ({ ...hold, end: hold.end + 0.5 }),
  };
  for (const [mistake, change] of Object.entries(mistakes)) {
    it(mistake, () => {
      const sweep = (holds: readonly Hold[]) => excludes(holds.map(change));
      expect(compare({ ...onMutex, sweep }, 2_000).disagreements.length).toBeGreaterThan(50);
    });
  }

  it('the owner is ignored', () => {
    const sweep = (holds: readonly Hold[]) => excludes(holds.map((hold) => ({ ...hold, owner: hold.id })));
    const recipe = { processes: 2, contexts: 2, fencing: false };
    expect(compare({ model: reentrant(), recipe, sweep }, 2_000).disagreements.length).toBeGreaterThan(50);
  });

  it('the tokens are ignored', () => {
    const recipe = { processes: 2, contexts: 1, fencing: true };
    expect(compare({ model: fenced(), recipe, sweep: excludes }, 2_000).disagreements.length).toBeGreaterThan(50);
  });
});
