import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { type Binary, binary } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filesUnder, root } from './workspace.ts';

const execute = promisify(execFile);
const dist = join(root, '.cache', 'site-dist');

/** The file of the site behind a path, as a server with clean URLs finds it. */
function fileOf(path: string): string | undefined {
  const at = join(dist, decodeURI(path));
  return [at, `${at}.html`, join(at, 'index.html')].find((file) => extname(file) !== '' && existsSync(file));
}

describe('the site', () => {
  let pages: string[];
  beforeAll(async () => {
    const inherited = Object.entries(process.env).filter(
      ([name]) => !/^(VITEST|VITE_|NODE_ENV|NODE_OPTIONS)/.test(name),
    );
    const args = ['--import', 'tsx', 'scripts/site.ts', 'build'];
    await execute(process.execPath, args, { cwd: root, env: Object.fromEntries(inherited) });
    // The report is a page of its own kind.
    pages = filesUnder(dist, '.html').filter((file) => !file.includes('comparison/'));
  }, 240_000);

  it('has no link that leads nowhere', () => {
    const ids = new Map<string, Set<string>>();
    const idsOf = (file: string): Set<string> => {
      const known =
        ids.get(file) ?? new Set([...readFileSync(file, 'utf8').matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!));
      ids.set(file, known);
      return known;
    };
    const broken = pages.flatMap((page) => {
      const base = new URL(`http://site/${relative(dist, page)}`);
      const links = [...readFileSync(page, 'utf8').matchAll(/<a [^>]*href="([^"]+)"/g)].map(([, link]) => link!);
      return [...new Set(links)].filter((link) => {
        const url = new URL(link.replaceAll('&amp;', '&'), base);
        if (url.host !== 'site') return false;
        const file = fileOf(url.pathname);
        if (file === undefined) return true;
        const anchor = decodeURIComponent(url.hash.slice(1));
        return anchor !== '' && !idsOf(file).has(anchor);
      });
    });
    expect([...new Set(broken)]).toEqual([]);
  });

  describe('in a browser', () => {
    let server: Server;
    let chromium: Binary;
    const types: Record<string, string> = {
      ...{ '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css' },
      ...{ '.svg': 'image/svg+xml', '.json': 'application/json', '.woff2': 'font/woff2' },
    };
    // Notes how much wider the page is than the window, and what the search finds.
    const probe = `<script>
      addEventListener('load', () => setTimeout(() => {
        document.documentElement.dataset.over = document.documentElement.scrollWidth - innerWidth;
        if (!location.search) return;
        document.querySelector('.VPNavBarSearch button').click();
        setTimeout(() => {
          const input = document.querySelector('.VPLocalSearchBox input');
          input.value = location.search.slice(1);
          input.dispatchEvent(new Event('input'));
        }, 2000);
      }, 2000));
    </script>`;

    beforeAll(async () => {
      chromium = await binary('chromium');
      server = createServer((request, response) => {
        const file = fileOf(new URL(request.url ?? '/', 'http://site').pathname);
        if (file === undefined) return response.writeHead(404).end();
        const type = types[extname(file)] ?? 'application/octet-stream';
        response.writeHead(200, { 'content-type': type });
        return response.end(
          type.startsWith('text/html')
            ? readFileSync(file, 'utf8').replace('</body>', `${probe}</body>`)
            : readFileSync(file),
        );
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    }, 240_000);
    afterAll(() => server?.close());

    /** The page as it is after its scripts have run; rejects if one of them failed. */
    async function view(path: string, width: number): Promise<string> {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
      const flags = [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        '--enable-logging=stderr',
      ];
      const args = [...flags, `--window-size=${width},900`, '--virtual-time-budget=15000', '--dump-dom', url];
      const { stdout, stderr } = await execute(chromium.path, args, {
        env: { ...process.env, ...chromium.env },
        maxBuffer: 1e8,
        timeout: 100_000,
      });
      const failed = stderr.split('\n').filter((line) => /CONSOLE.*(error|failed|mismatch)/i.test(line));
      expect(failed).toEqual([]);
      return stdout;
    }

    it.concurrent('draws its diagrams', { timeout: 120_000 }, async () => {
      const page = await view('/explanation/how-it-works', 1280);
      const diagrams = readFileSync(join(root, 'docs/architecture.md'), 'utf8').match(/^```mermaid/gm)?.length;
      expect(page.match(/<div class="diagram"><svg/g)).toHaveLength(diagrams!);
    });

    it.concurrent('finds what is searched for, without another server', { timeout: 120_000 }, async () => {
      const found = (await view('/?stampede', 1280)).matchAll(/<a [^>]*href="([^"]+)" class="result/g);
      expect([...found].map(([, link]) => link)).toContain('/how-to/recipes#cache-stampede');
    });

    it.concurrent.each(['/', '/tutorial', '/reference/packages/holdfast', '/conformance/', '/zh/redis'])(
      '%s fits a phone',
      { timeout: 120_000 },
      async (path) => {
        const over = Number(/data-over="(-?\d+)"/.exec(await view(path, 390))?.[1]);
        expect(over).toBeLessThanOrEqual(0);
      },
    );
  });
});
