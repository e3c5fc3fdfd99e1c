import { expect, it } from 'vitest';
import { holdfast } from './support.ts';

it('the comparison is called with the arguments as they are, and its exit code is handed on', {
  timeout: 120_000,
}, async () => {
  expect(await holdfast(['compare', '--', '--help'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('Usage: pnpm compare'),
  });
  expect(await holdfast(['compare', '--quick', '--only', 'nonsense', '--rounds', '1'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('There is no "nonsense", only uncontended, contention'),
  });
});

it('help is that of the command', async () => {
  const { code, stdout } = await holdfast(['compare', '--help']);
  expect(code).toBe(0);
  expect(stdout).toContain('holdfast compare --quick');
});
