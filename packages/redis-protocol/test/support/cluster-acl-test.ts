import { LockError } from '@holdfast/lock-core';
import type { RedisGroup } from '@holdfast/testbed';
import { expect, it } from 'vitest';
import { attempt, newName, until } from './helpers.ts';
import type { ClientKit } from './kit.ts';

const secret = 's3cret-of-the-test';

// What the protocol sends to a cluster, in scripts or by itself.
const commands = [
  ...['set', 'get', 'del', 'pttl', 'pexpire', 'time', 'spublish', 'pubsub', 'ssubscribe', 'sunsubscribe'],
  ...['evalsha', 'eval', 'scan', 'info', 'wait'],
];
// Some of them in each run; a failure names its command.
const mostAtOnce = 5;

/** A user of a cluster who may not use one command: what it needs for an acquire is known before it holds anything. */
export function clusterAclTest(kit: ClientKit, cluster: () => RedisGroup): void {
  it('a user who may not use one command: a refusal with the words of the server, and no lock is left (H115, H130)', async () => {
    const onEach = (...command: string[]) => Promise.all(cluster().nodes.map((node) => node.command(...command)));
    const some = [...commands].sort(() => Math.random() - 0.5).slice(0, mostAtOnce);
    for (const command of some) {
      const user = newName('user');
      await onEach('ACL', 'SETUSER', user, 'on', `>${secret}`, '~*', '&*', '+@all', `-${command}`);
      const client = kit.connect({ kind: 'cluster', nodes: cluster().nodes, username: user, password: secret });
      const adapter = client.adapter();
      const request = attempt(newName(), { ttlMs: 60_000, tokens: 65 });
      const key = `lock:${request.key}`;
      const refusals: string[] = [];
      const seen = (what: string, call: () => Promise<unknown> | undefined) =>
        until(`${what} without ${command}`, () =>
          (call() ?? Promise.resolve()).then(
            (value) => ({ value }),
            (error: unknown) => {
              // Not connected yet.
              if ((error as { notSent?: boolean }).notSent && (error as LockError).retryable) return undefined;
              expect(error, `${what} without ${command}`).toBeInstanceOf(LockError);
              expect((error as Error).message, `${what} without ${command}`).toMatch(
                /NOPERM|user executing the script/,
              );
              expect((error as LockError).retryable, `${what} without ${command}`).toBe(false);
              refusals.push(what);
              return { value: 'refused' };
            },
          ),
        );
      const count = async () => (await onEach('KEYS', key)).flat().length;
      const waiting = new AbortController();
      await seen('whenFree', () => adapter.whenFree?.(request.key, waiting.signal));
      waiting.abort();
      const acquired = await seen('tryAcquire', () => adapter.tryAcquire(request));
      expect(await count(), `after tryAcquire without ${command}`).toBe(acquired.value === 'refused' ? 0 : 1);
      await seen('renew', () => adapter.renew(request, 50_000));
      await seen('inspect', () => adapter.inspect?.(request.key));
      await seen('keys', () => adapter.keys?.());
      const released = await seen('release', () => adapter.release(request));
      // Nothing can be released without looking who holds it.
      if (released.value === 'refused' && command === 'get') await onEach('DEL', key).catch(() => {});
      else await until(`it is free without ${command}`, async () => (await count()) === 0);
      // Only what the command is for is refused.
      if (['spublish', 'pubsub', 'del', 'info', 'wait', 'sunsubscribe'].includes(command)) expect(refusals).toEqual([]);
      await adapter.close?.();
      await client.close();
      await onEach('ACL', 'DELUSER', user);
    }
  });
}
