import { type AcquireAttempt, type HoldRef, type LockAdapter, LockError } from '@holdfast/lock-core';
import type { RedisServer } from '@holdfast/testbed';
import { expect, it } from 'vitest';
import { attempt, grant, lockError, newName, until } from './helpers.ts';
import { type ClientKit, single } from './kit.ts';

// Every command that the protocol sends, in scripts or by itself.
const commands = [
  ...['set', 'get', 'del', 'pttl', 'pexpire', 'time', 'publish', 'pubsub', 'subscribe', 'unsubscribe'],
  ...['evalsha', 'eval', 'scan', 'info', 'wait', 'incr', 'script|load', 'exists', 'zadd', 'zrem', 'zscore', 'zcount'],
  ...['zrangebyscore', 'zrevrangebyscore', 'hset', 'hget', 'hdel'],
];

/** False for a refusal; anything else throws. */
const isGranted = (adapter: LockAdapter, request: AcquireAttempt): Promise<boolean> =>
  grant(adapter, request).then(
    () => true,
    (error: unknown) => {
      expect(error).toEqual(lockError('LOCK_BACKEND', { retryable: false }));
      return false;
    },
  );

/** What becomes of an exclusive lock whose user may not use one of the commands. */
export function aloneRightsTest(kit: ClientKit, ofSuite: () => RedisServer, secret: string): void {
  it.each([true, false])(
    'a user who may not use one command, fencing %s: no lock is left, nothing hangs (H115, H130)',
    {
      timeout: 120_000,
    },
    async (fencing) => {
      const server = ofSuite();
      for (const command of commands) {
        const user = newName('user');
        await server.command('ACL', 'SETUSER', user, 'on', `>${secret}`, '~*', '&*', '+@all', `-${command}`);
        // Each case has the scripts unknown once, and known once.
        if (Math.random() < 0.5) await server.command('SCRIPT', 'FLUSH');
        const client = kit.connect({ ...single(server), username: user, password: secret });
        const adapter = client.adapter({ fencing });
        const request = attempt(newName(), { ttlMs: 60_000, tokens: 65 });
        const seen = (promise: Promise<unknown> | undefined) =>
          (promise ?? Promise.resolve()).then(
            (value) => value,
            (error: unknown) => {
              expect(error, `without ${command}`).toBeInstanceOf(LockError);
              expect(error, `without ${command}`).toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
              expect((error as Error).message).toMatch(/NOPERM|user executing the script/);
              return 'refused';
            },
          );
        const exists = async () => (await server.command('EXISTS', `lock:${request.key}`)) === 1;
        const waiting = new AbortController();
        await seen(adapter.whenFree?.(request.key, waiting.signal));
        waiting.abort();
        const outcome = await seen(adapter.tryAcquire(request));
        if (outcome === 'refused') {
          await until(`nothing is left without ${command}`, async () => !(await exists()));
        } else {
          await seen(adapter.tryAcquire(request));
          expect(await exists(), `held without ${command}`).toBe(true);
        }
        await seen(adapter.tryAcquire(attempt(request.key)));
        const renewed = await seen(adapter.renew(request, 50_000));
        if (outcome !== 'refused') expect(renewed, `renewed without ${command}`).toMatchObject({ status: 'renewed' });
        // openLocks looks at a lock first: it must not be refused for what a lock that is held alone can do without (H130).
        const looked = await seen(adapter.inspect?.(request.key));
        if (looked === 'refused')
          expect(['get', 'pttl', 'zcount', 'evalsha', 'eval', 'script|load'], `inspect without ${command}`).toContain(
            command,
          );
        await seen(adapter.keys?.());
        const released = await seen(adapter.release(request));
        // Without GET or EVALSHA nothing can be released, and nothing was acquired.
        if (released === 'refused') expect(outcome, `acquired without ${command}`).toBe('refused');
        if (released === 'refused') await server.command('DEL', `lock:${request.key}`);
        else await until(`it is free without ${command}`, async () => !(await exists()));
        if (released === 'refused') expect(['get', 'evalsha', 'eval'], `release without ${command}`).toContain(command);
        await adapter.close?.();
        await client.close();
      }
    },
  );
}

/** The same of shared locks and permits. */
export function amongOthersRightsTest(kit: ClientKit, ofSuite: () => RedisServer, secret: string): void {
  it('a user who may not use one command has no shared lock or permit that it cannot release (H115)', async () => {
    const server = ofSuite();
    const admin = kit.connect(single(server));
    const others = admin.adapter();
    const free = (key: string) =>
      until(`${key} is free`, async () => (await server.command('EXISTS', `lock:${key}`)) === 0);
    for (const command of commands) {
      const user = newName('user');
      await server.command('ACL', 'SETUSER', user, 'on', `>${secret}`, '~*', '&*', '+@all', `-${command}`);
      const client = kit.connect({ ...single(server), username: user, password: secret });
      const adapter = client.adapter();
      const released = async (request: HoldRef, what: string) => {
        expect(await adapter.release(request), `${what} without ${command}`).toBe('released');
        await free(request.key);
      };
      for (const claim of [{ mode: 'shared' }, { mode: 'permits', permits: 1, limit: 2 }] as const) {
        const key = newName(`${claim.mode}-${command.replace('|', '-')}`);
        const alone = attempt(key, { claim });
        if (await isGranted(adapter, alone)) {
          expect(await adapter.renew(alone, 20_000)).toMatchObject({ status: 'renewed' });
          await released(alone, claim.mode);
        } else await free(key);
        const beside = attempt(key, { claim });
        await grant(others, beside);
        const added = attempt(key, { claim });
        const isAdded = await isGranted(adapter, added);
        await others.release(beside);
        if (isAdded) await released(added, `${claim.mode} beside another`);
        else await free(key);
      }
      const downgraded = attempt(newName());
      if (!(await isGranted(adapter, downgraded))) continue;
      const hold = { ...downgraded, claim: { mode: 'shared' } } as const;
      await adapter.downgrade!(downgraded, 20_000).catch(() => {});
      await released(hold, 'downgraded');
      await adapter.close?.();
      await client.close();
    }
    await admin.close();
  });
}
