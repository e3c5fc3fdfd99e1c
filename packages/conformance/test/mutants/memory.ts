import type { Inside } from './mutant.ts';

const memories = new WeakMap<object, Map<string, unknown>>();

/** What all clients of a backend have in common, for a mutant that remembers what it should not. */
export function memoryOf<T>({ rows }: Pick<Inside, 'rows'>): Map<string, T> {
  const known = memories.get(rows) ?? new Map<string, unknown>();
  memories.set(rows, known);
  return known as Map<string, T>;
}
