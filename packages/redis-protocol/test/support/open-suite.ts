import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createLocks } from '@holdfast/lock-core';
import { type RedisServer, startRedis } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attempt, grant, lockError, newName, until } from './helpers.ts';
import { type ClientKit, single, type Target } from './kit.ts';

const secret = 's3cret-of-the-test';

/** Clients that the adapter opens, refused credentials, and processes of their own. */
export function openSuite(kits: readonly ClientKit[]): void {
  let server: RedisServer;
  let guarded: RedisServer;
  beforeAll(async () => {
    [server, guarded] = await Promise.all([startRedis(), startRedis({ password: secret })]);
  });
  afterAll(async () => {
    await server?.stop();
    await guarded?.stop();
  });

  const connections = async () =>
    Number(/connected_clients:(\d+)/.exec(String(await server.command('INFO', 'clients')))?.[1]);

  describe.each(kits)('$name', (kit) => {
    it('H48: the event loop is blocked for two TTLs: the first thing the holder sees is the loss', async () => {
      const child = run(kit, 'block', single(server));
      const { token } = (await message(child)) as { token: string };
      const client = kit.connect(single(server));
      const taken = await createLocks(client.adapter()).acquire('blocked', { ttlMs: 60_000, autoRenew: false });
      // Its fencing token refuses whatever the blocked one may still write.
      expect(taken.fencingToken).toBeGreaterThan(BigInt(token));
      expect(await message(child)).toEqual({ state: 'lost', remainingMs: 0, asserted: 'LOCK_LOST' });
      await exit(child);
      expect(await taken.release()).toBe('released');
      await client.close();
    });

    it('a wrong password is one readable error that does not show it, and at once', async () => {
      const wrong = 'wr0ng-password';
      for (const target of [{ ...single(guarded), password: wrong }, single(guarded)]) {
        const client = kit.connect(target);
        const adapter = client.adapter();
        const error = await adapter.tryAcquire(attempt(newName())).catch((reason: unknown) => reason);
        expect(error).toEqual(lockError('LOCK_BACKEND', { retryable: false }));
        expect(`${(error as Error).message} ${JSON.stringify(error)}`).not.toContain(wrong);
        expect((error as Error).message).toMatch(/refuses access: (WRONGPASS|NOAUTH|ERR .*unauthenticated)/);
        await adapter.close?.();
        await client.close();
      }
    });

    it('a user without the right to the keys is one readable error', async () => {
      await guarded.command('ACL', 'SETUSER', 'default', 'on', `>${secret}`, 'resetkeys', '~other:*', '&*', '+@all');
      try {
        const client = kit.connect({ ...single(guarded), password: secret });
        await expect(client.adapter().tryAcquire(attempt(newName()))).rejects.toEqual(
          lockError('LOCK_BACKEND', { retryable: false, message: expect.stringContaining('ACL') }),
        );
        await client.close();
      } finally {
        await guarded.command('ACL', 'SETUSER', 'default', '~*');
      }
    });

    it('the ACL rules of the README are enough', async () => {
      const rules = readFileSync(new URL('../../README.md', import.meta.url), 'utf8').match(
        /`(\+@scripting [^`]*)`/,
      )?.[1];
      const rights = ['resetkeys', '~lock:*', '~fence:*', 'resetchannels', '&lock:*', '-@all', ...rules!.split(/\s+/)];
      await guarded.command('ACL', 'SETUSER', 'locks', 'on', `>${secret}`, ...rights);
      const client = kit.connect({ ...single(guarded), username: 'locks', password: secret });
      const adapter = client.adapter();
      for (const tokens of [1, 65]) {
        const request = attempt(newName(), { tokens });
        await adapter.whenFree?.(request.key, request.signal);
        await grant(adapter, request);
        await grant(adapter, request);
        expect(await adapter.renewMany?.([request], 9_000)).toMatchObject([{ status: 'renewed' }]);
        expect(await adapter.inspect?.(request.key)).toMatchObject({ owner: request.owner });
        expect(await adapter.keys?.()).toMatchObject({ keys: expect.any(Array) });
        const hint = adapter.whenFree?.(request.key, request.signal);
        expect(await adapter.release(request)).toBe('released');
        await hint;
        expect(await client.adapter({ fencing: false }).tryAcquire(request)).toMatchObject({ status: 'granted' });
        expect(await adapter.forceRelease?.(request.key)).toBe(true);
      }
      await adapter.close?.();
      await client.close();
    });

    it('H11: a user without the right to the channel releases all the same', async () => {
      await guarded.command('ACL', 'SETUSER', 'default', 'resetchannels');
      try {
        const client = kit.connect({ ...single(guarded), password: secret });
        const request = attempt(newName());
        await grant(client.adapter(), request);
        expect(await client.adapter().release(request)).toBe('released');
        await client.close();
      } finally {
        await guarded.command('ACL', 'SETUSER', 'default', '&*');
      }
    });
  });

  // The adapter package imports one major version of its client.
  describe(`opened by the adapter, ${kits[0]!.name}`, () => {
    const kit = kits[0]!;

    it('works at once, and close() closes the client', async () => {
      const before = await connections();
      const adapter = kit.open(single(server));
      const request = attempt(newName());
      expect(await grant(adapter, request)).toMatchObject({ validForMs: request.ttlMs });
      await adapter.whenFree?.(request.key, request.signal);
      await adapter.close?.();
      await adapter.close?.();
      await until('the connections are closed', async () => (await connections()) <= before);
    });

    it('takes the password, and the options of the client library', async () => {
      const adapter = kit.open({ ...single(guarded), password: secret, db: 3 });
      const request = attempt(newName());
      await grant(adapter, request);
      expect(await guarded.command('EXISTS', `lock:${request.key}`)).toBe(0);
      await adapter.close?.();
    });

    it('H27, H55: with the server down: LOCK_BACKEND, and the process ends by itself after close()', async () => {
      const child = run(kit, 'open', single({ host: '127.0.0.1', port: 1 }));
      expect(await message(child)).toEqual({ code: 'LOCK_BACKEND' });
      await exit(child);
    });

    it('a frozen server does not hold up close()', async () => {
      const adapter = kit.open(single(server));
      const request = attempt(newName());
      await grant(adapter, request);
      await adapter.whenFree?.(request.key, request.signal);
      server.freeze();
      const pending = adapter.release(request).catch((error: unknown) => error);
      const begin = performance.now();
      await adapter.close?.();
      expect(performance.now() - begin).toBeLessThan(5_000);
      expect(await pending).toBeInstanceOf(Error);
      server.thaw();
    });

    it.each<object>([
      { nodes: [] },
      { nodes: '127.0.0.1:6379' },
      { nodes: ['127.0.0.1:6379'] },
      { nodes: [null] },
      { nodes: [{ host: '127.0.0.1', port: '6379' }] },
      { nodes: [{ host: '127.0.0.1' }] },
      { nodes: [{ host: '', port: 6379 }] },
      { kind: 'Single' },
      { kind: 'sentinel', masterName: undefined },
      { kind: 'cluster', db: 1 },
    ])('refuses a target without what it needs: %j', (part) => {
      expect(() => kit.open({ ...single(server), ...part })).toThrow(lockError('LOCK_INVALID_ARGUMENT') as Error);
    });

    it.each([undefined, null, 'redis://user:s3cret@host', 6379])(
      'refuses %s for a target, and does not show it',
      (target) => {
        const error = lockError('LOCK_INVALID_ARGUMENT', { message: expect.not.stringContaining('s3cret') });
        expect(() => kit.open(target as never)).toThrow(error as Error);
      },
    );
  });
}

function run(kit: ClientKit, task: string, target: Target): ChildProcess {
  const arguments_ = [kit.file, kit.name, task, JSON.stringify(target, ['kind', 'nodes', 'host', 'port'])];
  return fork(new URL('./child.ts', import.meta.url), arguments_, { execArgv: ['--import', 'tsx'] });
}

function message(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`the child ended with ${code}`)));
  });
}

/** Waits for the child to end by itself, and cleanly. */
async function exit(child: ChildProcess): Promise<void> {
  try {
    const code = await until('the end of the child', () => child.exitCode ?? undefined);
    expect(code).toBe(0);
  } finally {
    child.kill('SIGKILL');
  }
}
