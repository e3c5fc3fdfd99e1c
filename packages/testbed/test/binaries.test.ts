import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { binary, presentBinary } from '../src/binaries.ts';
import { unpackDebianPackages } from '../src/debian.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-binaries-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** Puts a program of a few shell lines before all others on the PATH. */
function programOnPath(name: string, lines: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
  vi.stubEnv('PATH', `${folder}${delimiter}${process.env.PATH}`);
}

describe('where a program comes from', () => {
  it('the environment variable wins over all', () => {
    vi.stubEnv('HOLDFAST_REDIS_SERVER', '/opt/redis/redis-server');
    expect(presentBinary('redis')).toMatchObject({ path: '/opt/redis/redis-server', source: 'HOLDFAST_REDIS_SERVER' });
  });

  it('then the PATH', () => {
    programOnPath('redis-server', 'exit 0');
    expect(presentBinary('redis')).toMatchObject({ path: join(folder, 'redis-server'), source: 'system' });
  });

  it('nothing to be had: the error tells what to install, on each system', async () => {
    vi.stubEnv('PATH', folder);
    const cache = join(folder, 'cache');
    await expect(binary('redis', cache)).rejects.toThrow(
      /^redis-server was not found: .*ENOENT.*apt install redis-server \| brew install redis.*HOLDFAST_REDIS_SERVER.*docker run/s,
    );
    expect(readdirSync(cache)).toEqual([]);
  });
});

describe('downloading Debian packages', () => {
  const unpacked = ['complete.txt'];

  beforeEach(() => {
    programOnPath('apt-get', 'case "$*" in *download*) sleep 0.2; touch some.deb;; esac');
    programOnPath('dpkg', 'sleep 0.2; touch "$3/complete.txt"');
  });

  it('several processes ask at once: all get the same, complete folder', async () => {
    const cache = join(folder, 'cache');
    const folders = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const target = await unpackDebianPackages('bundle', ['some'], cache);
        return { target, content: readdirSync(target) };
      }),
    );
    expect(folders).toEqual(Array.from({ length: 4 }, () => ({ target: join(cache, 'bundle'), content: unpacked })));
    expect(readdirSync(cache)).toEqual(['bundle']);
  });

  it('a process that was killed half-way blocks nobody, and its leftovers go', async () => {
    const cache = join(folder, 'cache');
    const script = `import { unpackDebianPackages } from ${JSON.stringify(new URL('../src/debian.ts', import.meta.url).href)};
      await unpackDebianPackages('bundle', ['some'], ${JSON.stringify(cache)});`;
    const child = promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
    await expect.poll(() => readParts(cache), { timeout: 20_000 }).toBe(1);
    child.child.kill('SIGKILL');
    await expect(child).rejects.toMatchObject({ signal: 'SIGKILL' });
    expect(readParts(cache)).toBe(1);
    const target = await unpackDebianPackages('bundle', ['some'], cache);
    expect([readdirSync(target), readParts(cache)]).toEqual([unpacked, 0]);
  });

  it('package lists that are missing or stale: fetched into a private folder', async () => {
    programOnPath(
      'apt-get',
      `case "$*" in
         *Dir::State::lists=*update*) touch ${folder}/updated;;
         *Dir::State::lists=*download*) touch some.deb;;
         *) echo 'E: Unable to locate package some' >&2; exit 100;;
       esac`,
    );
    const target = await unpackDebianPackages('bundle', ['some'], join(folder, 'cache'));
    expect([readdirSync(target), readdirSync(folder).includes('updated')]).toEqual([unpacked, true]);
  });
});

function readParts(cache: string): number {
  try {
    return readdirSync(cache).filter((name) => name.includes('.part-')).length;
  } catch {
    return 0;
  }
}
