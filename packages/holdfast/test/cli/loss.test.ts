import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { faultProxy, type RedisServer, startRedis } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLocks } from '../../src/index.ts';
import { family, farFamily, farPids, guardsOf, pidsIn } from './family.ts';
import { runs, start, temporaryFolder, until } from './support.ts';

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server?.stop());

const onServer = (): NodeJS.ProcessEnv => ({ LOCK_URL: server.url });

describe('a lock that is lost', { timeout: 120_000 }, () => {
  it('H45: the backend falls silent: the command and all that it started is stopped, with 79', async () => {
    await using proxy = await faultProxy(server);
    const env = { LOCK_URL: `redis://${proxy.host}:${proxy.port}` };
    const running = start(['run', 'silent', '--ttl', '2s', '--', 'sh', '-c', family], env);
    await running.printed('pids');
    proxy.blackHole();
    const { code, stdout, stderr } = await running.ended;
    expect(code).toBe(79);
    expect(stderr).toMatch(
      /^holdfast: .*"silent".* that it guards\. The command is stopped\.\nholdfast: It and 1 other process were stopped \(SIGTERM\)\.\n$/,
    );
    expect(pidsIn(stdout).filter(runs)).toEqual([]);
  });

  it('the command is asked first, and may tidy up', async () => {
    const script = `trap 'echo tidied; exit 0' TERM; echo ready; while :; do sleep 0.1; done`;
    const running = start(['run', 'tidy', '--max-hold', '1s', '--', 'sh', '-c', script], onServer());
    // Whatever it says of itself, the lock did not last to its end.
    expect(await running.ended).toMatchObject({ code: 79, stdout: 'ready\ntidied\n' });
  });

  it('what the command started is stopped too, outside its process group, orphaned and deaf to SIGTERM', async () => {
    const running = start(['run', 'far', '--max-hold', '1s', '--grace', '1s', '--', 'sh', '-c', farFamily], onServer());
    await running.printed('three');
    const { code, stderr, stdout } = await running.ended;
    expect(code).toBe(79);
    expect(farPids(stdout).filter(runs)).toEqual([]);
    expect(stderr).toMatch(/processes were stopped \(SIGTERM\), and \d of them killed \(SIGKILL\) after the grace/);
  });

  it('says under --json what was stopped', async () => {
    const args = ['run', 'told', '--json', '--max-hold', '500ms', '--', 'sh', '-c', 'sleep 600'];
    const { stderr } = await start(args, onServer()).ended;
    const events = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.map(({ event }) => event)).toEqual(['held', 'lost', 'stopped', 'ended']);
    expect(events[2]).toMatchObject({ killed: 0, left: [] });
  });

  it('a command that does not listen is killed after the grace', async () => {
    const script = `trap '' TERM; echo "pids $$ $$"; while :; do sleep 0.1; done`;
    const args = ['run', 'deaf', '--max-hold', '500ms', '--grace', '700ms', '--', 'sh', '-c', script];
    const startedAt = performance.now();
    const { code, stdout } = await start(args, onServer()).ended;
    expect(code).toBe(79);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(1_200);
    expect(pidsIn(stdout).filter(runs)).toEqual([]);
  });

  it('--on-lost warn: it goes on, and its exit code counts', async () => {
    using folder = temporaryFolder();
    const script = `while [ ! -e '${folder.file('enough')}' ]; do sleep 0.1; done; exit 5`;
    const args = ['run', 'warned', '--max-hold', '500ms', '--on-lost', 'warn', '--', 'sh', '-c', script];
    const running = start(args, onServer());
    let told = '';
    running.child.stderr!.on('data', (text) => {
      told += text;
    });
    await until('the loss is reported', () => told.includes('The command continues without it.'));
    await using locks = await openLocks(server.url);
    await using _ = await locks.acquire('warned', { waitMs: 30_000 });
    writeFileSync(folder.file('enough'), '');
    expect((await running.ended).code).toBe(5);
  });

  it('H48: suspended past the lease: its command is stopped meanwhile, and it says so when it goes on', async () => {
    const running = start(['run', 'stalled', '--ttl', '1s', '--', 'sh', '-c', family], onServer());
    await running.printed('pids');
    await until('it is guarded', () => !existsSync('/proc') || guardsOf(pidsIn(running.stdout)[0]!).length === 2);
    running.child.kill('SIGSTOP');
    await using locks = await openLocks(server.url);
    // Another holder may come a moment before the command is gone: only the fencing token tells them apart.
    await using _ = await locks.acquire('stalled', { waitMs: 60_000 });
    await until('the command is gone', () => pidsIn(running.stdout).filter(runs).length === 0);
    running.child.kill('SIGCONT');
    expect((await running.ended).code).toBe(79);
  });

  it('the clock of the guard is one sleep: steps of some seconds would add up to a delay over an hour', async () => {
    using folder = temporaryFolder();
    const slept = folder.file('slept');
    writeFileSync(folder.file('sleep'), `#!/bin/sh\necho "$1" >>'${slept}'\nexec /bin/sleep "$@"\n`, { mode: 0o755 });
    const env = { ...onServer(), PATH: `${dirname(slept)}:${process.env.PATH}` };
    const running = start(['run', 'hour', '--ttl', '1h', '--', 'sh', '-c', 'read -r line'], env, 'pipe');
    await until('the guard sleeps', () => existsSync(slept) && /^3[56]\d\d$/m.test(readFileSync(slept, 'utf8')));
    running.child.stdin!.end('done\n');
    expect((await running.ended).code).toBe(0);
  });

  it('suspended for a while, within its lease: the command goes on, and is not stopped later', async () => {
    const running = start(['run', 'brief', '--ttl', '3s', '--', 'sh', '-c', family], onServer());
    await running.printed('pids');
    running.child.kill('SIGSTOP');
    await sleep(500);
    running.child.kill('SIGCONT');
    // Longer than the lease that the first guard was set for.
    await sleep(4_500);
    expect(pidsIn(running.stdout).filter(runs)).toHaveLength(2);
    running.child.kill('SIGTERM');
    expect((await running.ended).code).toBe(143);
  });
});

it('a second signal does not cut off the release', { timeout: 90_000 }, async () => {
  await using proxy = await faultProxy(server);
  const script = `trap 'exit 3' TERM; echo "pids $$ $$"; while :; do sleep 0.1; done`;
  const url = `redis://${proxy.host}:${proxy.port}`;
  const running = start(['run', 'twice', '--', 'sh', '-c', script], { LOCK_URL: url });
  await running.printed('pids');
  proxy.hold();
  running.child.kill('SIGTERM');
  const [pid] = pidsIn(running.stdout);
  await until('it has seen the end of the command', () => !existsSync(`/proc/${pid}`));
  running.child.kill('SIGTERM');
  running.child.kill('SIGINT');
  await proxy.heal();
  expect((await running.ended).code).toBe(3);
  await using locks = await openLocks(server.url);
  expect(await locks.inspect('twice')).toBeUndefined();
});
