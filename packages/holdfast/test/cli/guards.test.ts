import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RedisServer, startRedis } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { guard } from '../../src/cli/run/guard.ts';
import { openLocks } from '../../src/index.ts';
import { clockOf, family, farFamily, farPids, groupOf, guardsOf, pidsIn } from './family.ts';
import { runs, start, temporaryFolder, until } from './support.ts';

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server?.stop());

const onServer = (): NodeJS.ProcessEnv => ({ LOCK_URL: server.url });

describe('holdfast itself is killed', { timeout: 120_000 }, () => {
  it('SIGKILL: its command is stopped all the same, and the lease ends', async () => {
    const running = start(['run', 'orphan', '--ttl', '3s', '--', 'sh', '-c', family], onServer());
    await running.printed('pids');
    // The command may be quicker than the guard, which stands a moment later.
    await until('it is guarded', () => !existsSync('/proc') || guardsOf(pidsIn(running.stdout)[0]!).length === 2);
    // What stops a whole service sends its signal to the guards too.
    for (const guard of guardsOf(pidsIn(running.stdout)[0]!)) process.kill(guard, 'SIGTERM');
    running.child.kill('SIGKILL');
    expect((await running.ended).code).toBe(137);
    await until('the command is gone', () => pidsIn(running.stdout).filter(runs).length === 0);
    await using locks = await openLocks(server.url);
    await using _ = await locks.acquire('orphan', { waitMs: 60_000 });
  });

  it.each([
    ['the guard that waits for its death', 'waiting'],
    ['the guard that waits for the end of the lease', 'timed'],
    ['the clock of that guard', 'clock'],
  ] as const)(
    'SIGKILL, of %s before: all that the command started is stopped, and no guard stays for the lease',
    async (_, what) => {
      const args = ['run', `orphans ${what}`, '--ttl', '10m', '--grace', '1s', '--', 'sh', '-c', farFamily];
      const running = start(args, onServer());
      await running.printed('three');
      const pids = farPids(running.stdout);
      expect(pids.filter(runs)).toHaveLength(3);
      const guards = (): number[] => guardsOf(pids.at(-1)!);
      if (existsSync('/proc')) {
        await until('it is guarded', () => guards().length === 2 && clockOf(guards()) !== undefined);
        const clock = clockOf(guards())!;
        const timed = groupOf(clock);
        const waiting = guards().find((pid) => pid !== timed)!;
        const gone = { waiting: [waiting], timed: [timed, clock], clock: [clock, timed] }[what];
        process.kill(gone[0]!, 'SIGKILL');
        await until('it is guarded again', () => {
          const now = guards();
          return now.length === 2 && clockOf(now) !== undefined && !gone.some((pid) => now.includes(pid) || runs(pid));
        });
      }
      running.child.kill('SIGKILL');
      await until('all are gone', () => pids.filter(runs).length === 0);
      await until('no guard', () => guards().length === 0);
    },
  );

  it('SIGKILL, together with the guard that waits for its death: the other guard stops the command after the grace', async () => {
    if (!existsSync('/proc')) return;
    const args = ['run', 'both', '--ttl', '10m', '--grace', '1s', '--', 'sh', '-c', farFamily];
    const running = start(args, onServer());
    await running.printed('three');
    const pids = farPids(running.stdout);
    const guards = (): number[] => guardsOf(pids.at(-1)!);
    await until('it is guarded', () => guards().length === 2 && clockOf(guards()) !== undefined);
    const timed = groupOf(clockOf(guards())!);
    process.kill(guards().find((pid) => pid !== timed)!, 'SIGKILL');
    running.child.kill('SIGKILL');
    await until('all are gone', () => pids.filter(runs).length === 0);
    await until('no guard', () => guards().length === 0);
  });

  it('SIGKILL with --on-lost warn: the command goes on', async () => {
    const args = ['run', 'left', '--ttl', '1s', '--on-lost', 'warn', '--', 'sh', '-c', family];
    const running = start(args, onServer());
    await running.printed('pids');
    running.child.kill('SIGKILL');
    await using locks = await openLocks(server.url);
    await using _ = await locks.acquire('left', { waitMs: 60_000 });
    const [command, started] = pidsIn(running.stdout);
    expect([command!, started!].filter(runs)).toHaveLength(2);
    process.kill(-command!, 'SIGKILL');
    await running.ended;
  });

  it('once the command has ended, nobody stands guard any more', async () => {
    const running = start(['run', 'dismissed', '--', 'sh', '-c', 'echo "pids $$ $$"'], onServer());
    const { stdout } = await running.ended;
    const [pid] = pidsIn(stdout);
    await until('no guard', () => guardsOf(pid!).length === 0);
  });
});

describe('where no guard can stand', () => {
  it('for want of `sleep`, the command is not stopped, and a note says that nothing guards it', async () => {
    using folder = temporaryFolder();
    const running = start(['run', 'no-sleep', '--ttl', '10s', '--', '/bin/sh', '-c', '/bin/sleep 5; echo done'], {
      ...onServer(),
      PATH: folder.path,
    });
    expect(await running.ended).toMatchObject({
      code: 0,
      stdout: 'done\n',
      stderr: expect.stringMatching(
        /^holdfast: if this process is killed or suspended, nothing stops its command: .*\n$/,
      ),
    });
  });

  it('for what Node refuses to start at once, a note says so once', async () => {
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    onTestFinished(() => said.mockRestore());
    const lock = { state: 'held', locks: [{ remainingMs: 10_000 }], signal: new AbortController().signal };
    const dismiss = guard({ id: 'no\0text', pid: process.pid, ownGroup: false }, 1_000, lock as never);
    await sleep(700);
    dismiss();
    expect(said.mock.calls.map(([text]) => text)).toEqual([expect.stringContaining('nothing stops its command')]);
  });
});

it('the guard that waits for the end of the lease knows of a renewal soon, however long the lease is', async () => {
  if (!existsSync('/proc')) return;
  const command = spawn('sleep', ['60'], { stdio: 'ignore' });
  onTestFinished(() => void command.kill());
  let end = performance.now() + 600_000;
  const lock = {
    state: 'held',
    get locks() {
      return [{ remainingMs: end - performance.now() }];
    },
  };
  const dismiss = guard({ id: 'renewed', pid: command.pid!, ownGroup: true }, 1_000, lock as never);
  onTestFinished(dismiss);
  const sleepsFor = (): number => {
    const clock = clockOf(guardsOf(command.pid!));
    return clock === undefined ? 0 : Number(readFileSync(`/proc/${clock}/cmdline`, 'utf8').split('\0')[1]);
  };
  await until('it is guarded', () => sleepsFor() === 600);
  end += 200_000;
  await until('the guard is set for the renewed lease', () => sleepsFor() > 700);
});
