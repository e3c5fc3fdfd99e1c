import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type RedisServer, startRedis } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLocks } from '../../src/index.ts';
import { holdfast, holdfastWords, start, temporaryFolder, until } from './support.ts';

let server: RedisServer;
let env: { LOCK_URL: string };

beforeAll(async () => {
  server = await startRedis();
  env = { LOCK_URL: server.url };
});
afterAll(() => server?.stop());

/** Who holds a key; used to see that nothing was left behind. */
async function holder(key: string) {
  await using locks = await openLocks(server.url);
  return await locks.inspect(key);
}

describe('the command', { timeout: 90_000 }, () => {
  it('finds the key and the fencing token in its environment, has our stdout, and gives its exit code', async () => {
    const script = 'echo "$HOLDFAST_KEY $HOLDFAST_FENCING_TOKEN"; echo aside >&2; exit 7';
    const first = await holdfast(['run', 'a key', '--', 'sh', '-c', script], env);
    const second = await holdfast(['run', 'a key', '--', 'sh', '-c', script], env);
    expect(first).toMatchObject({ code: 7, stderr: 'aside\n' });
    const tokens = [first, second].map(({ stdout }) => BigInt(/^a key (\d+)\n$/.exec(stdout)![1]!));
    expect(tokens[1]! > tokens[0]!).toBe(true);
    expect(await holder('a key')).toBeUndefined();
  });

  it('keeps its own options, also those that look like ours', async () => {
    const { stdout } = await holdfast(['run', 'k-options', '--', 'echo', '--json', '--ttl', '--', '-h'], env);
    expect(stdout).toBe('--json --ttl -- -h\n');
  });

  it('does not see a LOCK_URL with a password, unless asked', async () => {
    await using guarded = await startRedis({ password: 'any' });
    const command = ['secret', '--', 'sh', '-c', 'echo "url: $LOCK_URL"'];
    expect((await holdfast(['run', ...command], { LOCK_URL: guarded.url })).stdout).toBe('url: \n');
    const passed = await holdfast(['run', '--pass-url', ...command], { LOCK_URL: guarded.url });
    expect(passed.stdout).toBe(`url: ${guarded.url}\n`);
    expect((await holdfast(['run', 'open', '--', 'sh', '-c', 'echo "$LOCK_URL"'], env)).stdout).toBe(`${server.url}\n`);
  });

  it('has no token of another lock around it', async () => {
    const url = `${server.url}?fencing=false&prefix=bare:`;
    const script = 'echo "<$HOLDFAST_FENCING_TOKEN>"';
    const { stdout } = await holdfast(['run', 'k', '--url', url, '--', 'sh', '-c', script], {
      HOLDFAST_FENCING_TOKEN: '1',
    });
    expect(stdout).toBe('<>\n');
  });

  it('goes on when nobody reads our notes', async () => {
    const running = start(['run', 'k-unread', '--json', '--', 'sh', '-c', 'read _; exit 3'], env, 'pipe');
    running.child.stderr!.destroy();
    running.child.stdin!.end('\n');
    expect((await running.ended).code).toBe(3);
  });

  it('ended by a signal: 128 + its number', async () => {
    expect((await holdfast(['run', 'k-signal', '--', 'sh', '-c', 'kill -KILL $$'], env)).code).toBe(137);
  });

  it('that does not exist is 127, that cannot be executed 126, and the lock is free', async () => {
    using folder = temporaryFolder();
    writeFileSync(folder.file('text'), 'no program');
    expect(await holdfast(['run', 'k-none', '--', 'no-such-command-here'], env)).toMatchObject({
      code: 127,
      stderr: 'holdfast: command not found: no-such-command-here\n',
    });
    expect(await holdfast(['run', 'k-none', '--', folder.file('text')], env)).toMatchObject({ code: 126 });
    // Of these reasons Node throws, instead of an event.
    expect(await holdfast(['run', 'k-none', '--', ''], env)).toMatchObject({
      code: 127,
      stderr: 'holdfast: the command is empty\n',
    });
    const inFile = await holdfast(['run', 'k-none', '--json', '--', `${folder.file('text')}/x`], env);
    expect(inFile.code).toBe(126);
    expect(inFile.stderr.split('\n')[1]).toMatch(/"not-started".*cannot be executed \(ENOTDIR\)"}$/);
    expect(await holder('k-none')).toBeUndefined();
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const)(
    'is passed %s on',
    async (name) => {
      const trap = `trap 'echo got ${name}; exit 3' ${name.slice(3)}; echo ready; while :; do sleep 0.1; done`;
      const running = start(['run', `k-${name}`, '--', 'sh', '-c', trap], env);
      await running.printed('ready');
      running.child.kill(name);
      expect(await running.ended).toMatchObject({ code: 3, stdout: `ready\ngot ${name}\n` });
      expect(await holder(`k-${name}`)).toBeUndefined();
    },
  );
});

describe('a busy lock', { timeout: 90_000 }, () => {
  it('with --try: 75 at once, without a word, since cron would send a mail of it', async () => {
    await using locks = await openLocks(server.url);
    await using _ = await locks.acquire('busy');
    expect(await holdfast(['run', 'busy', '--try', '--', 'echo', 'ran'], env)).toEqual({
      code: 75,
      stdout: '',
      stderr: '',
    });
  });

  it('with --wait: 75 when the time is over, not before', async () => {
    await using locks = await openLocks(server.url);
    await using _ = await locks.acquire('busy-wait');
    const startedAt = performance.now();
    const { code, stdout, stderr } = await holdfast(['run', 'busy-wait', '--wait', '700ms', '--', 'echo', 'ran'], env);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(700);
    expect({ code, stdout }).toEqual({ code: 75, stdout: '' });
    expect(stderr).toMatch(/^holdfast: lock "busy-wait" on ioredis was still busy after .*\n$/);
  });

  it('with the options of flock: -n, -w in seconds, -E for the exit code', async () => {
    await using locks = await openLocks(server.url);
    await using _ = await locks.acquire('busy-flock');
    expect((await holdfast(['run', '-n', '-E', '0', 'busy-flock', '--', 'false'], env)).code).toBe(0);
    const startedAt = performance.now();
    expect((await holdfast(['run', '-w', '0.5', '-E', '3', 'busy-flock', '--', 'false'], env)).code).toBe(3);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(500);
  });

  it('held by a run around this one: it says that both wait for each other', async () => {
    const inner = [...holdfastWords, 'run', '-w', '0.2', 'nested', '--', 'true'];
    const between = [...holdfastWords, 'run', 'between', '--', ...inner];
    const { code, stderr } = await holdfast(['run', 'nested', '--', ...between], env);
    expect({ code, stderr }).toEqual({ code: 75, stderr: expect.stringContaining('both wait for each other') });
  });

  it('permits held by a run around this one: nobody waits for the other, since more may come back', async () => {
    await using locks = await openLocks(server.url);
    await using _ = await locks.semaphore('nested-pool', 2).acquire();
    const inner = [...holdfastWords, 'run', '-w', '0.2', '--limit', '2', 'nested-pool', '--', 'true'];
    const { code, stderr } = await holdfast(['run', '--limit', '2', 'nested-pool', '--', ...inner], env);
    expect({ code, stderr }).toEqual({ code: 75, stderr: expect.not.stringContaining('wait for each other') });
  });

  it('is waited for, and two commands never run at once', async () => {
    using folder = temporaryFolder();
    const inside = folder.file('inside');
    const script = `[ ! -e '${inside}' ] || exit 9; : > '${inside}'; sleep 0.3; rm '${inside}'`;
    const all = await Promise.all(
      Array.from({ length: 4 }, () => holdfast(['run', 'turns', '--', 'sh', '-c', script], env)),
    );
    expect(all.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
  });

  it('a signal ends the waiting with 128 + its number, and the command never runs', async () => {
    using folder = temporaryFolder();
    await using locks = await openLocks(server.url);
    const lock = await locks.acquire('given-up');
    const waiting = start(['run', 'given-up', '--json', '--', 'touch', folder.file('ran')], env);
    let told = '';
    waiting.child.stderr!.on('data', (text) => {
      told += text;
    });
    await until('it waits', () => told.includes('"waiting"'));
    waiting.child.kill('SIGTERM');
    expect((await waiting.ended).code).toBe(143);
    await lock.release();
    expect(existsSync(folder.file('ran'))).toBe(false);
    expect(await holder('given-up')).toBeUndefined();
  });
});

describe('a cron job on three machines', { timeout: 120_000 }, () => {
  it('runs once a tick, although it is quick and the clocks differ', async () => {
    using folder = temporaryFolder();
    const log = folder.file('log');
    writeFileSync(log, '');
    const job = ['run', 'nightly', '--try', '--min-hold', '20s', '--', 'sh', '-c', `echo ran >> '${log}'`];
    const machines = [start(job, env)];
    // The other clocks are late: by then the job is done, and only --min-hold keeps it from running again.
    await until('the job has run', () => readFileSync(log, 'utf8') !== '');
    machines.push(start(job, env), start(job, env));
    expect((await Promise.all(machines.slice(1).map(({ ended }) => ended))).map(({ code }) => code)).toEqual([75, 75]);
    expect(readFileSync(log, 'utf8')).toBe('ran\n');
    // Whoever keeps the lock can be sent home before the time.
    machines[0]!.child.kill('SIGTERM');
    expect((await machines[0]!.ended).code).toBe(0);
    expect(await holder('nightly')).toBeUndefined();
  });
});

it('a lease that is longer than any timer of Node does not start a guard each ms', { timeout: 90_000 }, async () => {
  const url = `${server.url}?ttl=100d`;
  expect(await holdfast(['run', 'long', '--', 'true'], { LOCK_URL: url })).toEqual({ code: 0, stdout: '', stderr: '' });
});

it('tells JSON lines on stderr with --json', { timeout: 90_000 }, async () => {
  const { stdout, stderr } = await holdfast(['run', 'told', '--json', '--', 'echo', 'mine'], env);
  expect(stdout).toBe('mine\n');
  const events = stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(events).toEqual([
    { event: 'held', key: 'told', fencingToken: expect.stringMatching(/^\d+$/) },
    { event: 'ended', key: 'told', exitCode: 0, lost: false },
  ]);
});
