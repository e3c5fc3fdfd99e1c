import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const folder = new URL('../src/', import.meta.url);
const files = readdirSync(folder).sort();

/** What a file imports or exports from another one, types included. */
const importsOf = (file: string): string[] =>
  [...readFileSync(new URL(file, folder), 'utf8').matchAll(/ from '\.\/([\w-]+\.ts)'/g)].map(([, name]) => name!);

it('lock-core has at most 30 files', () => {
  expect(files.length).toBeLessThanOrEqual(30);
});

it('its imports form no circle, types included', () => {
  const done = new Set<string>();
  const visit = (file: string, path: string[]): void => {
    expect(path.includes(file), [...path, file].join(' > ')).toBe(false);
    if (done.has(file)) return;
    for (const name of importsOf(file)) visit(name, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  expect(done.size).toBe(files.length);
});
