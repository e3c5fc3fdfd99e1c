import type { Step } from '../schedule/types.ts';

/** The options of a step in words. */
export function describeStep({ options, locks, more = [] }: Step): string {
  const words = Object.entries(options).flatMap(([name, value]) => {
    if (value === undefined) return [];
    return [`${name} ${typeof value === 'number' ? Math.round(value * 10) / 10 : value}`];
  });
  const at = [...more.map((key) => ` and ${key}`), locks === 0 ? '' : ` (locks ${locks + 1})`].join('');
  return words.length === 0 ? at : `${at}, ${words.join(', ')}`;
}
