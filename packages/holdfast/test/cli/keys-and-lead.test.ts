import { existsSync } from 'node:fs';
import { type RedisServer, startEtcd, startRedis } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLocks } from '../../src/index.ts';
import { holdfast, runs, start, temporaryFolder, until } from './support.ts';

let server: RedisServer;
let env: { LOCK_URL: string };

beforeAll(async () => {
  server = await startRedis();
  env = { LOCK_URL: server.url };
});
afterAll(() => server?.stop());

describe('several keys before the dashes', { timeout: 90_000 }, () => {
  it('are held together; the command finds keys and tokens as JSON, and no single one', async () => {
    const script =
      'echo "$HOLDFAST_KEYS"; echo "$HOLDFAST_FENCING_TOKENS"; echo "<$HOLDFAST_KEY$HOLDFAST_FENCING_TOKEN>"';
    const outer = { ...env, HOLDFAST_KEY: 'outer', HOLDFAST_FENCING_TOKEN: '1' };
    const { code, stdout, stderr } = await holdfast(['run', 'b', 'a', '--json', '--', 'sh', '-c', script], outer);
    expect(code).toBe(0);
    const [keys, tokens, single] = stdout.split('\n');
    expect(JSON.parse(keys!)).toEqual(['a', 'b']);
    expect(JSON.parse(tokens!)).toEqual({ a: expect.stringMatching(/^\d+$/), b: expect.stringMatching(/^\d+$/) });
    expect(single).toBe('<>');
    expect(JSON.parse(stderr.split('\n')[0]!)).toMatchObject({
      event: 'held',
      fencingTokens: Object.values(JSON.parse(tokens!)),
    });
    await using locks = await openLocks(server.url);
    for (const key of ['a', 'b']) expect(await locks.inspect(key), key).toBeUndefined();
  });

  it('one that is busy is 75, and the others stay free', async () => {
    await using locks = await openLocks(server.url);
    await using held = await locks.acquire('busy');
    const { code } = await holdfast(['run', 'a', 'busy', '--try', '--', 'true'], env);
    expect(code).toBe(75);
    const { code: late, stderr } = await holdfast(['run', 'a', 'busy', '--wait', '200ms', '--', 'true'], env);
    expect(late).toBe(75);
    expect(stderr).toContain('"busy" on ioredis was still busy');
    expect(await locks.inspect('a')).toBeUndefined();
    expect(held.state).toBe('held');
  });

  it('the loss of one stops the command', async () => {
    const running = start(['run', 'one', 'two', '--ttl', '1500ms', '--', 'sh', '-c', 'echo "pid $$"; sleep 600'], env);
    await running.printed('pid');
    await using locks = await openLocks(server.url);
    await locks.forceRelease('two');
    const { code, stdout, stderr } = await running.ended;
    expect({ code, stderr }).toEqual({ code: 79, stderr: expect.stringContaining('"two"') });
    expect(runs(Number(/pid (\d+)/.exec(stdout)![1]))).toBe(false);
    expect(await locks.inspect('one')).toBeUndefined();
  });

  it.each([
    [['run', 'a', 'b', '--'], "missing required argument 'command'"],
    [['run', '--lead', 'a', 'b', '--', 'true'], '--lead takes only one key'],
    [['run', '--lead', '--try', 'a', '--', 'true'], 'cannot be used with'],
    [['run', '--limit', '3', 'a', 'b', '--', 'true'], '--limit takes only one key'],
    [['run', '--limit', '0', 'a', '--', 'true'], 'whole number above 0'],
    [['run', '--limit', '2', '--permits', '3', 'a', '--', 'true'], 'that is not lower'],
    [['run', '--permits', '1', 'a', '--', 'true'], '--permits needs a --limit'],
    [['run', '--shared', '--lead', 'a', '--', 'true'], 'cannot be used with'],
  ])('%j is 64 and says why', async (args, why) => {
    const { code, stderr } = await holdfast(args, env);
    expect({ code, stderr }).toEqual({ code: 64, stderr: expect.stringContaining(why) });
  });
});

describe('how the key is held', { timeout: 90_000 }, () => {
  it('with --grace the backend keeps it after the lease, until the command has been killed in any case', async () => {
    await using locks = await openLocks(server.url);
    const remaining = async (key: string, ...options: string[]) => {
      const running = start(['run', key, '--ttl', '20s', ...options, '--', 'sh', '-c', 'echo ready; sleep 600'], env);
      await running.printed('ready');
      const info = await locks.inspect(key);
      running.child.kill('SIGTERM');
      await running.ended;
      expect(await locks.inspect(key)).toBeUndefined();
      return info?.remainingMs;
    };
    expect(await remaining('plain')).toBeLessThanOrEqual(20_000);
    expect(await remaining('graced', '--grace', '9s')).toBeGreaterThan(22_000);
  });

  it('with --grace nobody else begins before a command that was stopped by --max-hold has ended', async () => {
    await using locks = await openLocks(server.url);
    const script = `trap '' TERM; echo "pid $$"; while :; do sleep 0.1; done`;
    const running = start(['run', 'long', '--max-hold', '500ms', '--grace', '1s', '--', 'sh', '-c', script], env);
    await running.printed('pid');
    await using _ = await locks.acquire('long');
    expect(runs(Number(/pid (\d+)/.exec(running.stdout)![1]))).toBe(false);
    expect((await running.ended).code).toBe(79);
  });

  it('--shared beside others, --limit beside as many as it says', async () => {
    await using etcd = await startEtcd();
    const on = (...words: string[]) => start(['run', '--json', ...words], { LOCK_URL: etcd.url });
    const stay = ['--', 'sh', '-c', 'echo ready; sleep 600'];
    const all = [
      ...[1, 2].map(() => on('--shared', 'list', ...stay)),
      ...[1, 2].map((permits) => on('--limit', '4', '--permits', String(permits), 'pool', ...stay)),
    ];
    await Promise.all(all.map((running) => running.printed('ready')));
    expect((await on('--try', 'list', '--', 'true').ended).code).toBe(75);
    const shown = await holdfast(['inspect', 'list', '--json'], { LOCK_URL: etcd.url });
    expect(JSON.parse(shown.stdout)).toMatchObject({ held: true, mode: 'shared', holders: 2 });
    expect((await holdfast(['inspect', 'pool'], { LOCK_URL: etcd.url })).stdout).toContain('held by 2, 4 in all');
    expect((await on('--try', '--limit', '4', '--permits', '2', 'pool', '--', 'true').ended).code).toBe(75);
    // Another limit, while the first one is in use.
    const other = await on('--limit', '5', 'pool', '--', 'true').ended;
    expect(other.code).toBe(64);
    for (const running of all) running.child.kill('SIGTERM');
    await Promise.all(all.map((running) => running.ended));
  });
});

describe('run --lead', { timeout: 90_000 }, () => {
  const lead = (key: string, ...more: string[]) =>
    start(['run', key, '--lead', '--ttl', '1500ms', '--json', '--', 'sh', '-c', ...more], env);

  it('runs the command while it leads, again after a loss; the next one takes over when it ends', async () => {
    const script = 'echo "leads $HOLDFAST_FENCING_TOKEN $$"; sleep 600';
    const first = lead('office', script);
    await first.printed('leads');
    const second = lead('office', script);
    await using locks = await openLocks(server.url);
    // Lost to whoever comes first: the first one's command is stopped, and it campaigns again.
    await locks.forceRelease('office');
    await until('the other one leads', () => second.stdout.includes('leads') || /leads.*\n.*leads/.test(first.stdout));
    const leader = second.stdout.includes('leads') ? second : first;
    const standby = leader === second ? first : second;
    leader.child.kill('SIGTERM');
    expect((await leader.ended).code).toBe(143);
    const before = standby === first ? 2 : 1;
    await until('the standby leads', () => standby.stdout.split('leads').length > before);
    standby.child.kill('SIGTERM');
    expect((await standby.ended).code).toBe(143);
    const terms = [...`${first.stdout}${second.stdout}`.matchAll(/leads (\d+) (\d+)/g)];
    const tokens = terms.map(([, token]) => token);
    expect(new Set(tokens).size).toBe(3);
    for (const [, , pid] of terms) expect(runs(Number(pid))).toBe(false);
    expect(await locks.inspect('office')).toBeUndefined();
  });

  it('ends with the exit code of a command that ends by itself', async () => {
    expect((await lead('short', 'exit 7').ended).code).toBe(7);
  });

  it('a signal ends the campaign with 128 + its number', async () => {
    using folder = temporaryFolder();
    await using locks = await openLocks(server.url);
    await using held = await locks.acquire('taken');
    const waiting = start(['run', 'taken', '--lead', '--json', '--', 'touch', folder.file('ran')], env);
    let told = '';
    waiting.child.stderr!.on('data', (text) => {
      told += text;
    });
    await until('it campaigns', () => told.includes('"campaigning"'));
    waiting.child.kill('SIGTERM');
    expect((await waiting.ended).code).toBe(143);
    expect(existsSync(folder.file('ran'))).toBe(false);
    expect(held.state).toBe('held');
  });

  it('a signal that comes while a command is stopped after a loss ends it, without another campaign', async () => {
    const script = `trap 'echo asked' TERM; echo "leads $HOLDFAST_FENCING_TOKEN"; while :; do sleep 0.1; done`;
    const running = start(
      ['run', 'deaf', '--lead', '--ttl', '1500ms', '--grace', '2s', '--json', '--', 'sh', '-c', script],
      env,
    );
    await running.printed('leads');
    await using locks = await openLocks(server.url);
    await locks.forceRelease('deaf');
    await running.printed('asked');
    running.child.kill('SIGINT');
    const { code, stdout } = await running.ended;
    expect(code).toBe(130);
    expect(stdout.match(/leads/g)).toHaveLength(1);
    expect(await locks.inspect('deaf')).toBeUndefined();
  });
});
