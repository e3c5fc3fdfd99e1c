import { describe, expect, it } from 'vitest';
import { holdfast } from './support.ts';

// Refused before anything is sent.
const env = { LOCK_URL: 'redis://127.0.0.1:1' };

describe('wrong usage', { timeout: 90_000 }, () => {
  it.each([
    [['run'], "missing required argument 'key'"],
    [['run', 'k'], "missing required argument 'command'"],
    [['run', 'k'], '(see holdfast run --help)'],
    [['run', '--', 'echo', 'x'], "missing required argument 'key'"],
    [['run', '--', 'date'], "missing required argument 'key'"],
    [['run', '--try', '--ttl', '5s', '--', 'env', 'echo', '--', 'x'], "missing required argument 'key'"],
    [['run', 'k', '--ttl', '30', '--', 'true'], 'needs a unit'],
    [['run', 'k', '--ttl', '0s', '--', 'true'], 'above 0'],
    [['run', 'k', '--try', '--wait', '1s', '--', 'true'], "cannot be used with option '-n, --try'"],
    [['run', 'k', '--on-lost', 'cry', '--', 'true'], 'Allowed choices are kill, warn'],
    [['run', 'k', 'ls', '-l'], "unknown option '-l'"],
    [['rum', 'k'], 'Did you mean run?'],
    [['watch', 'k', '--interval', '25d'], 'at most 24d'],
  ])('%j is 64 and says why', async (args, why) => {
    const { code, stderr, stdout } = await holdfast(args, env);
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toContain(why);
    expect(stderr).toMatch(/^holdfast: /);
  });

  it('memory: is refused, since no other process is excluded', async () => {
    const { code, stderr } = await holdfast(['run', 'k', '--url', 'memory:', '--', 'true']);
    expect(code).toBe(78);
    expect(stderr).toContain('crossProcess');
  });

  it.each([
    [['run', '--json', '--', 'echo', 'x'], /'key'/],
    [['run', 'k', '--json', '--ttl', '30', '--', 'true'], /needs a unit/],
    [['list', '--nosuch', '--json'], /unknown option '--nosuch'/],
    [['inspect', '--json'], /missing required argument 'key'/],
    [['nosuch', '--json'], /unknown command 'nosuch'/],
    [['--json'], /./],
    [['conformance', '--json', '--nemesis', 'fire'], /no fault "fire"/],
    [['release', 'k', '--json'], /--force/],
    [['doctor', '--json', 'redis://h?tll=1s'], /Did you mean "ttl"/],
  ])('%j is one line of JSON', async (args, message) => {
    const { code, stderr, stdout } = await holdfast(args, env);
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    const { error } = JSON.parse(stderr);
    expect(error).toMatchObject({ exitCode: 64, message: expect.stringMatching(message) });
  });

  it('without a backend it says how to name one', async () => {
    expect(await holdfast(['run', 'k', '--', 'true'])).toMatchObject({
      code: 64,
      stderr: 'holdfast: Which backend? Give --url, or set LOCK_URL, such as LOCK_URL=redis://127.0.0.1:6379.\n',
    });
    // Only PostgreSQL has something to set up.
    expect((await holdfast(['setup'])).stderr).toContain('LOCK_URL=postgres://');
  });
});
