import type { Step } from './types.ts';

/** The keys of a step. */
export const keysOf = ({ key, more = [] }: Step): string[] => [key, ...more];

const known = new WeakMap<readonly Step[], readonly Step[]>();

/** The steps, and those that are nested in them. */
export function allSteps(steps: readonly Step[]): readonly Step[] {
  const all = known.get(steps) ?? steps.flatMap((step) => [step, ...allSteps(nestedIn(step))]);
  known.set(steps, all);
  return all;
}

const nestedIn = ({ inside }: Step): Step[] => inside.flatMap((deed) => (deed.do === 'nested' ? [deed.step] : []));
