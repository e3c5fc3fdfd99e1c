import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../', import.meta.url));
const mend = 'Build it: pnpm --filter holdfast build';

/** The program as users have it. It starts in a third of the time that its sources need. @throws when it was built of other sources. */
export function builtMain(): string {
  const dist = join(folder, 'dist');
  const main = join(dist, 'cli', 'main.js');
  if (!existsSync(main)) throw new Error(`holdfast was not built yet. ${mend}`);
  for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.map')) expectSame(join(dist, name));
  }
  return main;
}

/** A source map has the text of its sources. */
function expectSame(map: string): void {
  const { sources, sourcesContent } = JSON.parse(readFileSync(map, 'utf8')) as {
    sources: readonly string[];
    sourcesContent: readonly string[];
  };
  for (const [i, source] of sources.entries()) {
    const file = join(dirname(map), source);
    // JSON goes into a build as a module.
    if (!file.endsWith('.ts')) continue;
    if (existsSync(file) && readFileSync(file, 'utf8') === sourcesContent[i]) continue;
    throw new Error(`${relative(folder, file)} is not what holdfast was built of. ${mend}`);
  }
}
