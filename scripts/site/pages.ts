// Which document becomes which page of the site. Documents keep their places in the repository, where GitHub shows them.

import { relative } from 'node:path';
import { filesUnder, root } from '../../test/workspace.ts';

const single: Readonly<Record<string, string>> = {
  'README.md': 'overview.md',
  'README.zh-CN.md': 'zh/overview.md',
  'CONTRACT.md': 'reference/contract.md',
  'CONTRIBUTING.md': 'project/contributing.md',
  'SECURITY.md': 'project/security.md',
  'docs/README.md': 'contents.md',
  'docs/tutorial.md': 'tutorial.md',
  'docs/recipes.md': 'how-to/recipes.md',
  'docs/migration.md': 'how-to/migration.md',
  'docs/writing-an-adapter.md': 'how-to/writing-an-adapter.md',
  'docs/command-line.md': 'reference/command-line.md',
  'docs/architecture.md': 'explanation/how-it-works.md',
  'docs/choosing-a-backend.md': 'explanation/choosing-a-backend.md',
  'docs/capacity.md': 'explanation/capacity.md',
  'docs/hazards.md': 'explanation/hazards.md',
  'docs/mutants.md': 'explanation/mutants.md',
  'docs/simulation.md': 'explanation/simulation.md',
  'docs/conformance/README.md': 'conformance/index.md',
  'docs/conformance/README.zh-CN.md': 'zh/conformance.md',
  'docs/api/README.md': 'reference/api/index.md',
};

const folders: readonly (readonly [RegExp, string])[] = [
  [/^docs\/site\/(.+)$/, '$1'],
  // A document that is new is a guide until it is given a place of its own above.
  [/^docs\/([^/]+)$/, 'how-to/$1'],
  [/^docs\/zh-CN\/(.+)$/, 'zh/$1'],
  [/^docs\/api\/@holdfast\/(.+)$/, 'reference/api/$1'],
  [/^docs\/api\/(.+)$/, 'reference/api/$1'],
  [/^docs\/conformance\/(.+)$/, 'conformance/$1'],
  [/^packages\/([^/]+)\/README\.md$/, 'reference/packages/$1.md'],
  [/^examples\/([^/]+)\/README\.md$/, 'examples/$1.md'],
];

/** The page that a document becomes, from the root of the site; `undefined` for one that GitHub alone shows. */
function pageOf(document: string): string | undefined {
  const known = single[document];
  if (known !== undefined) return known;
  for (const [pattern, page] of folders) if (pattern.test(document)) return document.replace(pattern, page);
  return undefined;
}

/** Every document with its page. */
export function allPages(): Map<string, string> {
  const documents = filesUnder(root, '.md').map((file) => relative(root, file).replaceAll('\\', '/'));
  const pages = documents.map((document) => [document, pageOf(document)] as const);
  return new Map(pages.filter((entry): entry is readonly [string, string] => entry[1] !== undefined));
}
