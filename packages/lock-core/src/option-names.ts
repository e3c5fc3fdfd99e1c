import { LockError } from './errors.ts';

/** @throws LockError LOCK_INVALID_ARGUMENT */
export function refuse(message: string, key?: string): never {
  throw new LockError('LOCK_INVALID_ARGUMENT', message, { key });
}

/** The value as it is shown in a message. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

/** How many single edits lead from one word to the other; more than two are not counted. */
function distance(from: string, to: string): number {
  if (Math.abs(from.length - to.length) > 2) return 3;
  let above = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const change = (above[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1);
      row.push(Math.min(change, (above[j] as number) + 1, (row[j - 1] as number) + 1));
    }
    above = row;
  }
  return above[to.length] as number;
}

/** The known name that was probably meant. */
function closest(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase();
  const prefixed = known.find((one) => lower.length > 2 && one.toLowerCase().startsWith(lower));
  const near = [...known]
    .map((one) => ({ one, edits: distance(lower, one.toLowerCase()) }))
    .filter(({ edits }) => edits <= 2)
    .sort((a, b) => a.edits - b.edits);
  return near[0]?.one ?? prefixed;
}

/**
 * Refuses options that do not exist: a misspelt one would silently mean its default. For `createLocks`, and for adapters.
 * @throws LockError LOCK_INVALID_ARGUMENT, with the name that was probably meant
 */
export function checkOptionNames(options: unknown, known: readonly string[]): void {
  if (typeof options === 'function')
    refuse('options are an object, not a function: only `using` takes one, as its last argument');
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    refuse(`options are an object, not ${Array.isArray(options) ? 'an array' : shown(options)}`);
  }
  for (const name in options) {
    if (known.includes(name)) continue;
    const meant = closest(name, known);
    const hint = meant === undefined ? `the options are ${known.join(', ')}` : `did you mean ${meant}?`;
    refuse(`there is no option ${JSON.stringify(name)}: ${hint}`);
  }
}
