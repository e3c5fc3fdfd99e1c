import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const execute = promisify(execFile);
const packages = fileURLToPath(new URL('../..', import.meta.url));

// A real tree outside the workspace, as `npm install holdfast` makes it: nothing else can be found from there.
describe('with holdfast alone installed', () => {
  let folder: string;

  const put = (name: string, as: string) => {
    for (const part of ['dist', 'package.json']) {
      cpSync(join(packages, name, part), join(folder, 'node_modules', as, part), { recursive: true });
    }
  };
  const messageOf = async (config: unknown): Promise<string> => {
    const script = `
      import { openLocks } from 'holdfast';
      const error = await openLocks(${JSON.stringify(config)}).catch((thrown) => thrown);
      console.log(error.code + ' ' + error.retryable + ' ' + error.message);
    `;
    const { stdout } = await execute(process.execPath, ['--input-type=module', '--eval', script], { cwd: folder });
    return stdout.trim();
  };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-alone-'));
    mkdirSync(join(folder, 'node_modules'));
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    put('holdfast', 'holdfast');
    put('lock-core', '@holdfast/lock-core');
    put('adapter-memory', '@holdfast/adapter-memory');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    [
      'redis://127.0.0.1',
      'npm install @holdfast/adapter-ioredis ioredis   or   npm install @holdfast/adapter-node-redis redis',
    ],
    ['rediss+ioredis://127.0.0.1', 'npm install @holdfast/adapter-ioredis ioredis'],
    ['redis+cluster+node-redis://127.0.0.1', 'npm install @holdfast/adapter-node-redis redis'],
    [
      'redlock://a,b,c',
      'npm install @holdfast/adapter-redlock @holdfast/adapter-ioredis ioredis   or   npm install @holdfast/adapter-redlock @holdfast/adapter-node-redis redis',
    ],
    ['zookeeper://127.0.0.1', 'npm install @holdfast/adapter-zookeeper node-zookeeper-client'],
    ['etcd://127.0.0.1', 'npm install @holdfast/adapter-etcd etcd3'],
  ])('%s says what to install, and only that', async (url, command) => {
    expect(await messageOf(url)).toBe(
      `LOCK_UNSUPPORTED false The package for this backend is not installed: ${command}`,
    );
  });

  it("a third party's package likewise", async () => {
    expect(await messageOf({ adapter: '@acme/lock-adapter-dynamo' })).toBe(
      'LOCK_UNSUPPORTED false The package of this lock adapter is not installed: npm install @acme/lock-adapter-dynamo',
    );
  });

  it('the adapter without its client counts as missing', async () => {
    put('adapter-ioredis', '@holdfast/adapter-ioredis');
    put('redis-protocol', '@holdfast/redis-protocol');
    expect(await messageOf('redis+ioredis://127.0.0.1')).toMatch(/npm install @holdfast\/adapter-ioredis ioredis$/);
  });

  it('a client that lacks a package of its own is told with that package, also below Redlock', async () => {
    put('adapter-redlock', '@holdfast/adapter-redlock');
    const ioredis = join(folder, 'node_modules/ioredis');
    mkdirSync(ioredis, { recursive: true });
    writeFileSync(join(ioredis, 'package.json'), '{ "main": "index.mjs" }');
    writeFileSync(join(ioredis, 'index.mjs'), "import 'denque';\n");
    for (const url of ['redis+ioredis://127.0.0.1', 'redlock+ioredis://a,b,c', 'redlock://a,b,c']) {
      expect(await messageOf(url)).toMatch(
        /^LOCK_UNSUPPORTED false The package @holdfast\/adapter-ioredis is installed but cannot be loaded: Cannot find package 'denque'/,
      );
    }
  });

  it("a third party's package is found from the application, also one with import conditions only", async () => {
    const acme = join(folder, 'node_modules/@acme/lock-adapter');
    mkdirSync(acme, { recursive: true });
    writeFileSync(join(acme, 'package.json'), '{ "type": "module", "exports": { "import": "./index.js" } }');
    writeFileSync(
      join(acme, 'index.js'),
      "import { memoryAdapter } from '@holdfast/adapter-memory';\nexport default () => ({ ...memoryAdapter(), name: 'acme' });\n",
    );
    expect(await messageOf({ adapter: '@acme/lock-adapter' })).toBe('undefined undefined undefined');
  });
});
