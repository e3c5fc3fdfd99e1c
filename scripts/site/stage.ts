// Copies the documents to where the site wants them, and turns their links into links of the site.
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { root } from '../../test/workspace.ts';
import { allPages } from './pages.ts';

const repository = 'https://github.com/holdfast-locks/holdfast';

/** The folder of the staged pages, which VitePress reads. */
const stagedFolder: string = join(root, '.cache', 'site');

/** Stages every page and what the pages show. */
export function stage(): void {
  rmSync(stagedFolder, { recursive: true, force: true });
  const assets = join(stagedFolder, 'public');
  cpSync(join(root, 'docs/comparison'), join(assets, 'comparison'), { recursive: true });
  copyFileSync(join(root, 'node_modules/mermaid/dist/mermaid.min.js'), join(assets, 'mermaid.min.js'));
  const pages = allPages();
  for (const [document, page] of pages) {
    const target = join(stagedFolder, page);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, stagedText(document, page, pages, assets));
  }
}

function stagedText(document: string, page: string, pages: ReadonlyMap<string, string>, assets: string): string {
  const text = readFileSync(join(root, document), 'utf8');
  // Code stays as it is: a block, or what stands between back quotes.
  const parts = text.split(/(^ *```[\s\S]*?^ *```|`[^`\n]+`)/gm);
  return parts.map((part, index) => (index % 2 === 1 ? part : prose(part))).join('');

  function prose(part: string): string {
    return part
      .replaceAll(/(!?)\]\(([^()\s]+)\)/g, (_all, _mark, link: string) => `](${siteLink(link)})`)
      .replaceAll('{{', '&#123;&#123;');
  }

  /** A page of the site as a relative link, a picture as a copy, everything else on GitHub. */
  function siteLink(link: string): string {
    if (/^([a-z]+:|#|\/)/.test(link)) return link;
    const [path = '', anchor] = link.split('#');
    const hash = anchor === undefined ? '' : `#${anchor}`;
    const target = posix.join(posix.dirname(document), decodeURI(path));
    const known = pages.get(target);
    if (known !== undefined) {
      const relative = posix.relative(posix.dirname(page), known);
      return `${relative.startsWith('.') ? relative : `./${relative}`}${hash}`;
    }
    if (target.startsWith('docs/comparison/')) return `${target.replace('docs/', '/')}`;
    const file = join(root, target);
    if (/\.(svg|png)$/.test(target) && existsSync(file)) {
      mkdirSync(join(assets, posix.dirname(target)), { recursive: true });
      copyFileSync(file, join(assets, target));
      return `/${target}`;
    }
    const kind = existsSync(file) && statSync(file).isDirectory() ? 'tree' : 'blob';
    return `${repository}/${kind}/main/${target}${hash}`;
  }
}
