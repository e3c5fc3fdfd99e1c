import type { Step } from './types.ts';

/** The keys of a step. */
export const keysOf = ({ key, more = [] }: Step): string[] => [key, ...more];

/** The steps, and those that are nested in them. */
export function allSteps(steps: readonly Step[]): Step[] {
  return steps.flatMap((step) => [
    step,
    ...allSteps(step.inside.flatMap((deed) => (deed.do === 'nested' ? [deed.step] : []))),
  ]);
}
