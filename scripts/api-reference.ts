import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Application, Converter, Logger, type LogLevel, ReflectionKind, TSConfigReader } from 'typedoc';
import { filesUnder, type Package, packagesIn, root } from '../test/workspace.ts';

/** Where the reference of each entry of each published package is made from. */
interface Entry {
  /** As one imports it: `@holdfast/conformance/vitest`. */
  readonly name: string;
  readonly source: string;
  readonly package: string;
}

class Warnings extends Logger {
  readonly messages: string[] = [];

  override log(message: string, level: LogLevel): void {
    super.log(message, level);
    if (level >= 2) this.messages.push(message);
  }
}

export const referenceFolder: string = join(root, 'docs', 'api');

/** The entries that packages export, with the source that each is built from. */
export function entries(): Entry[] {
  const published = packagesIn('packages').filter(({ manifest }) => !manifest.private);
  // What several packages export stands on the page of the first of them.
  const rank = ({ manifest }: Package): number =>
    manifest.name === '@holdfast/lock-core' ? 0 : manifest.name === 'holdfast' ? 2 : 1;
  return published
    .sort((a, b) => rank(a) - rank(b))
    .flatMap(({ folder, manifest }) =>
      Object.entries(manifest.exports ?? {}).flatMap(([path, target]) => {
        if (typeof target === 'string') return [];
        const built = target.types ?? '';
        const source = join(folder, built.replace('./dist/', 'src/').replace(/\.d\.ts$/, '.ts'));
        return [{ name: join(manifest.name, path), source, package: manifest.name }];
      }),
    );
}

/**
 * Makes the reference from the docstrings, as Markdown, into a folder. Gives what is wrong with them: an export without a
 * docstring, a link to nowhere, a type that an export speaks of and nobody can import.
 */
export async function makeReference(folder: string): Promise<string[]> {
  const all = entries();
  const app = await Application.bootstrapWithPlugins(
    {
      plugin: ['typedoc-plugin-markdown'],
      entryPoints: all.map(({ source }) => source),
      tsconfig: tsconfigFor(all),
      name: 'API reference',
      out: folder,
      readme: 'none',
      disableSources: true,
      disableGit: true,
      excludeInternal: true,
      excludePrivate: true,
      excludeExternals: true,
      sort: ['alphabetical'],
      // What is called comes before the types that it takes.
      groupOrder: ['Functions', 'Classes', 'Interfaces', 'Type Aliases', 'Variables', '*', 'References'],
      kindSortOrder: ['Function', 'Class', 'Interface', 'TypeAlias', 'Variable', 'Enum'],
      validation: { notExported: true, invalidLink: true, notDocumented: true },
      requiredToBeDocumented: ['Function', 'Class', 'Interface', 'TypeAlias', 'Variable', 'Enum'],
      packagesRequiringDocumentation: [...new Set(all.map(({ package: name }) => name))],
      logLevel: 'Error',
      // Of the Markdown: one page to an entry.
      // Its numbers for headings of one name are not those of GitHub, so the anchors are written out.
      ...{ outputFileStrategy: 'modules', hidePageHeader: true, hideBreadcrumbs: true, useHTMLAnchors: true },
      ...{ parametersFormat: 'table', interfacePropertiesFormat: 'table' },
      ...{ typeAliasPropertiesFormat: 'table', propertyMembersFormat: 'table' },
      // Every property is read-only; the column would only make the tables too wide for a phone.
      tableColumnSettings: { hideModifiers: true },
    } as Parameters<typeof Application.bootstrapWithPlugins>[0],
    [new TSConfigReader()],
  );
  const warnings = new Warnings();
  app.logger = warnings;
  const names = new Map(all.map(({ name, source }) => [source, name]));
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_context, reflection) => {
    if (!reflection.kindOf(ReflectionKind.Module)) return;
    const source = reflection.project.getSymbolIdFromReflection(reflection)?.fileName;
    const name = source === undefined ? undefined : names.get(source);
    if (name !== undefined) reflection.name = name;
  });
  const project = await app.convert();
  if (project === undefined) throw new Error(`typedoc could not read the sources:\n${warnings.messages.join('\n')}`);
  app.validate(project);
  await app.generateOutputs(project);
  return warnings.messages.map((message) => message.replaceAll(`${root}/`, '')).filter((message) => !isMember(message));
}

/** Exports must have a docstring; the members of an interface may speak for themselves. */
const isMember = (message: string): boolean =>
  message.endsWith('does not have any documentation') && /^@?[\w/-]+\.\w+\./.test(message);

/** Packages see each other's sources, so that one type is one page, and a link leads there. */
function tsconfigFor(all: readonly Entry[]): string {
  const file = join(root, '.cache', 'tsconfig.api.json');
  const paths = Object.fromEntries(all.map(({ name, source }) => [name, [source]]));
  const compilerOptions = { paths, isolatedDeclarations: false, noEmit: true };
  const declared = packagesIn('packages').flatMap(({ folder }) => filesUnder(join(folder, 'src'), '.d.ts'));
  const files = [...all.map(({ source }) => source), ...declared];
  writeFileSync(file, JSON.stringify({ extends: '../tsconfig.base.json', compilerOptions, files }));
  return file;
}
