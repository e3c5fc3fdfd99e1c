import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { locksOptionTable, type OptionTable, objectName } from '../src/options.ts';
import { schemes } from '../src/schemes.ts';

it('the README has every option that a URL can set, and no other', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const table = readme.slice(readme.indexOf('| in a URL')).split('\n\n')[0]!;
  const shown = [...table.matchAll(/^\| `(\w+)` +\| `(\w+)/gm)].map(([, inUrl, inCode]) => `${inUrl} ${inCode}`);

  const options: OptionTable = Object.assign({}, locksOptionTable, ...Object.values(schemes).map((one) => one.options));
  const known = Object.entries(options).map(([name, kind]) => `${name} ${objectName(name, kind)}`);
  expect(shown.sort()).toEqual(known.sort());
});
