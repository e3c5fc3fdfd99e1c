import { readFileSync } from 'node:fs';
import { faultProxy } from '@holdfast/conformance/faults';
import { createLocks } from '@holdfast/lock-core';
import { type RedisServer, startRedis, startRedisTls } from '@holdfast/testbed';
import { expect, it, onTestFinished, vi } from 'vitest';
import { attempt, grant, lockError, newName, until } from './helpers.ts';
import { type ClientKit, single, type Target } from './kit.ts';

const secret = 's3cret-of-the-test';

/** What clients that the adapter opens make of a server that refuses them. */
export function openRefusalTests(kit: ClientKit, server: () => RedisServer): void {
  it('TLS to a plain port, a plain client to a TLS port, an unknown authority: told at once, and in true words (H130)', async () => {
    const secure = await startRedisTls();
    onTestFinished(() => secure.stop());
    const at = (port: number) => ({ host: '127.0.0.1', port });
    const [plainPort, tlsPort] = [at(server().port), at(secure.tlsPort)];
    const cases: readonly (readonly [Target, RegExp])[] = [
      [{ ...single(plainPort), tls: true }, /answers without TLS .*connect without TLS/],
      [single(tlsPort), /expects TLS.*Connect with TLS/],
      [{ ...single(tlsPort), tls: true }, /certificate that the client does not trust.*authority/],
      [{ kind: 'cluster', nodes: [plainPort], tls: true }, /answers without TLS .*connect without TLS/],
      [{ kind: 'cluster', nodes: [tlsPort] }, /expects TLS.*Connect with TLS/],
      [{ kind: 'sentinel', nodes: [tlsPort], masterName: 'm' }, /expects TLS.*Connect with TLS/],
    ];
    await Promise.all(
      cases.map(async ([target, words]) => {
        const locks = createLocks(kit.open(target), { backendTimeoutMs: 15_000 });
        const error = await locks.acquire(newName()).catch((reason: unknown) => reason);
        const message = expect.stringMatching(words);
        // Not retryable: it did not wait for the 15 seconds.
        expect(error).toEqual(lockError('LOCK_BACKEND', { retryable: false, message }));
        await locks.close();
      }),
    );
  });

  it('sentinels, and their master, are spoken to with TLS where TLS is asked for', async () => {
    const master = await startRedisTls();
    onTestFinished(() => master.stop());
    const sentinel = await master.startSentinel();
    onTestFinished(() => sentinel.stop());
    const tls = { ca: readFileSync(master.authorityFile) };
    const options = kit.name.startsWith('ioredis') ? { tls } : { socket: { tls: true, ...tls } };
    const nodes = [{ host: sentinel.host, port: sentinel.tlsPort }];
    const target = {
      kind: 'sentinel',
      nodes,
      masterName: sentinel.masterName,
      tls: true,
      options,
    } as unknown as Target;
    const locks = createLocks(kit.open(target), { backendTimeoutMs: 15_000 });
    const key = newName();
    await locks.acquire(key);
    expect(await master.command('EXISTS', `lock:${key}`)).toBe(1);
    await locks.close();
    // What has no TLS is told so.
    const plain = { ...target, nodes: [{ host: sentinel.host, port: sentinel.port }] };
    const wrong = createLocks(kit.open(plain), { backendTimeoutMs: 15_000 });
    const message = expect.stringMatching(/answers without TLS|does not speak TLS/);
    await expect(wrong.acquire(newName())).rejects.toEqual(lockError('LOCK_BACKEND', { retryable: false, message }));
    await wrong.close();
  });

  it('a user who may not ask for INFO gets a lock, and nothing is printed', async () => {
    const user = newName('user');
    await server().command('ACL', 'SETUSER', user, 'on', `>${secret}`, '~*', '&*', '+@all', '-info');
    const printed = [vi.spyOn(console, 'warn'), vi.spyOn(console, 'error'), vi.spyOn(process.stderr, 'write')];
    onTestFinished(() => printed.forEach((spy) => void spy.mockRestore()));
    const adapter = kit.open({ ...single(server()), username: user, password: secret });
    const request = attempt(newName());
    await grant(adapter, request);
    const waiting = new AbortController();
    await adapter.whenFree?.(request.key, waiting.signal);
    waiting.abort();
    await adapter.close?.();
    for (const spy of printed) expect(spy).not.toHaveBeenCalled();
  });

  it('a server that is still loading: the lock comes when it has loaded', async () => {
    const slow = await startRedis({ args: ['--appendonly', 'no', '--enable-debug-command', 'yes'] });
    onTestFinished(() => slow.stop());
    for (let i = 0; i < 40; i += 1) await slow.command('SET', `key-${i}`, 'x');
    await slow.command('CONFIG', 'SET', 'key-load-delay', '50000');
    const reloading = slow.command('DEBUG', 'RELOAD').catch(() => {});
    const locks = createLocks(kit.open(single(slow)), { backendTimeoutMs: 20_000 });
    expect((await locks.acquire(newName())).state).toBe('held');
    await reloading;
    await locks.close();
  });

  it('READONLY after a failover behind one address: the next connection leads to the primary, and locks are granted', async () => {
    const [old, promoted] = await Promise.all([startRedis(), startRedis()]);
    onTestFinished(async () => void (await Promise.all([old.stop(), promoted.stop()])));
    const address = await faultProxy(old);
    onTestFinished(() => address.close());
    const adapter = kit.open(single(address));
    const locks = createLocks(adapter, { backendTimeoutMs: 20_000 });
    await (await locks.acquire(newName())).release();
    // Connections that are open stay, as load balancers leave them.
    await old.command('REPLICAOF', promoted.host, String(promoted.port));
    address.target(promoted);
    const error = await until('the refusal', () =>
      adapter.tryAcquire(attempt(newName())).catch((reason: unknown) => reason),
    );
    expect(error).toEqual(lockError('LOCK_BACKEND', { retryable: true, message: expect.stringContaining('READONLY') }));
    const key = newName();
    expect((await locks.acquire(key)).state).toBe('held');
    expect(await promoted.command('EXISTS', `lock:${key}`)).toBe(1);
    await locks.close();
  });
}
