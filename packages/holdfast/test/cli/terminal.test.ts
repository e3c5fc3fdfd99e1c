import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import { type RedisServer, startRedis } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLocks } from '../../src/index.ts';
import { holdfastWords, runs, temporaryFolder, until } from './support.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server?.stop());

const quoted = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(' ');

/** Runs `holdfast` at a terminal, made by `script` of util-linux; what is typed goes to its keyboard. */
function atTerminal(args: readonly string[]) {
  // In place of the shell: dash would hear Ctrl-C too, and end with 130 whatever the command says.
  const line = `stty cols 60; exec ${quoted([...holdfastWords, ...args])}`;
  const child = spawn('script', ['-qefc', line, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    // Nothing else of ours: Node takes colours away where it finds CI, NO_COLOR and others.
    env: { PATH: process.env.PATH, HOME: process.env.HOME, LOCK_URL: server.url, TERM: 'xterm-256color' },
  });
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
  });
  return {
    type: (text: string) => child.stdin.write(text),
    shows: (text: string) => until(`the screen has "${text}": ${screen}`, () => screen.includes(text)),
    screen: () => screen,
    code: new Promise<number | null>((resolve) => child.once('close', resolve)),
  };
}

// On a system without it the same is seen by hand; the reason stands in the title.
const haveScript = existsSync('/usr/bin/script') && process.platform === 'linux';

describe(haveScript ? 'at a terminal' : 'at a terminal: there is no util-linux script here', {
  timeout: 90_000,
}, () => {
  if (!haveScript) {
    it('cannot be tried', () => expect(haveScript).toBe(false));
    return;
  }

  it('release shows the holder and asks; only a yes frees', async () => {
    await using locks = await openLocks(server.url);
    await using lock = await locks.acquire('asked');
    const no = atTerminal(['release', '--force', 'asked']);
    await no.shows('Free it? [y/N]');
    expect(no.screen()).toContain(String(lock.fencingToken));
    no.type('\r');
    expect(await no.code).toBe(1);
    expect(await locks.inspect('asked')).toBeDefined();
    const yes = atTerminal(['release', '--force', 'asked']);
    await yes.shows('Free it? [y/N]');
    yes.type('y\r');
    expect(await yes.code).toBe(0);
    expect(await locks.inspect('asked')).toBeUndefined();

    // Another holder, between the question and the answer.
    const shown = await locks.acquire('asked');
    const late = atTerminal(['release', '--force', 'asked']);
    await late.shows('Free it? [y/N]');
    await shown.release();
    await using next = await locks.acquire('asked');
    late.type('y\r');
    expect(await late.code).toBe(1);
    expect((await locks.inspect('asked'))?.fencingToken).toBe(next.fencingToken);
  });

  it('Ctrl-C reaches the command once, and its exit code counts', async () => {
    using folder = temporaryFolder();
    const log = folder.file('log');
    writeFileSync(log, '');
    // A shell would hear two that come close together as one.
    writeFileSync(
      folder.file('command.cjs'),
      `process.on('SIGINT', () => {
        require('node:fs').appendFileSync('${log}', 'int\\n');
        setTimeout(() => process.exit(4), 1_000);
      });
      setInterval(() => {}, 1_000);
      console.log('ready');`,
    );
    const run = atTerminal(['run', 'keys', '--', process.execPath, folder.file('command.cjs')]);
    await run.shows('ready');
    run.type('\u0003');
    expect(await run.code).toBe(4);
    expect(readFileSync(log, 'utf8')).toBe('int\n');
  });

  it('Ctrl-C is for the terminal to send: it is not passed on besides', async () => {
    using folder = temporaryFolder();
    const log = folder.file('log');
    writeFileSync(
      folder.file('command.cjs'),
      `const tell = (name) => require('node:fs').appendFileSync('${log}', name + '\\n');
      process.on('SIGINT', () => tell('int'));
      process.on('SIGTERM', () => { tell('term'); process.exit(4); });
      setInterval(() => {}, 1_000);
      console.log('started by ' + process.ppid + '.');`,
    );
    // In a session of its own the terminal does not reach it, so that only what is passed on arrives.
    const run = atTerminal(['run', 'own', '--', 'setsid', process.execPath, folder.file('command.cjs')]);
    await run.shows('started by');
    run.type('\u0003');
    await run.shows('^C');
    process.kill(Number(/started by (\d+)\./.exec(run.screen())![1]), 'SIGTERM');
    expect(await run.code).toBe(4);
    expect(readFileSync(log, 'utf8')).toBe('term\n');
  });

  it('a lost lock also stops what the command started, although it shares the process group of the terminal', async () => {
    const script = 'sleep 600 & echo "pids $$ $!."; setsid sleep 600 & wait; while :; do sleep 1; done';
    const run = atTerminal(['run', 'lost-here', '--max-hold', '1s', '--grace', '2s', '--', 'sh', '-c', script]);
    await run.shows('pids');
    const pids = /pids (\d+) (\d+)\./.exec(run.screen())!.slice(1).map(Number);
    expect(await run.code).toBe(79);
    expect(pids.filter(runs)).toEqual([]);
    expect(run.screen()).toMatch(/It and 2 other processes were stopped/);
  });

  it('the command can read the keyboard', async () => {
    const run = atTerminal(['run', 'keyboard', '--', 'head', '-n', '1']);
    run.type('hello there\r');
    expect(await run.code).toBe(0);
    expect(run.screen().match(/hello there/g)).toHaveLength(2);
  });

  it('there are colours, and lines as long as the terminal is wide', async () => {
    const doctor = atTerminal(['doctor']);
    await doctor.code;
    expect(doctor.screen()).toContain('\u001b[');
    const lines = doctor
      .screen()
      .split('\r\n')
      .map((line) => stripVTControlCharacters(line));
    expect(lines.filter((line) => line.startsWith(' ') && line.length > 60)).toEqual([]);
    expect(lines.some((line) => line.length > 40)).toBe(true);
  });

  it.each([[], ['run'], ['conformance'], ['release'], ['completion']])('the help of %s fits', async (...names) => {
    const help = atTerminal([...names, '--help']);
    await help.code;
    expect(
      help
        .screen()
        .split('\r\n')
        .filter((line) => line.length > 60),
    ).toEqual([]);
  });

  it('watch draws the picture in place of the last one', async () => {
    await using locks = await openLocks(server.url);
    const watch = atTerminal(['watch', 'drawn', '--interval', '50ms']);
    await watch.shows('free');
    const lock = await locks.acquire('drawn');
    await watch.shows(String(lock.fencingToken));
    expect(watch.screen()).toContain('\u001b[2A\u001b[J');
    watch.type('\u0003');
    expect(await watch.code).toBe(130);
  });
});
