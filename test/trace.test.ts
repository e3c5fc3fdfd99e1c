import { expect, it } from 'vitest';
import { trace } from '../scripts/trace.ts';

// What a newcomer has to follow: more files and more returns make the core harder to read.
const limits: Record<string, { files: number; returns: number }> = {
  acquire: { files: 14, returns: 25 },
  renew: { files: 14, returns: 41 },
  release: { files: 17, returns: 28 },
  loss: { files: 17, returns: 28 },
};

it('an uncontended acquire, a renewal, a release and a loss take a short way through the files of the core', async () => {
  const traces = await trace();
  expect(traces.map(({ call }) => call)).toEqual(Object.keys(limits));
  for (const { call, path, files, returns } of traces) {
    expect(path.length, call).toBeGreaterThan(5);
    expect(files, `${call}: ${path.join(' > ')}`).toBeLessThanOrEqual(limits[call]!.files);
    expect(returns, `${call}: ${path.join(' > ')}`).toBeLessThanOrEqual(limits[call]!.returns);
  }
});
