import { type Report, runConformance } from '../packages/conformance/src/index.ts';
import { urlHarness } from '../packages/holdfast/src/cli/conformance/url-harness.ts';
import type { OwnBackend } from './own-backends.ts';

/** The suite on servers that are started for it. */
export async function ownSuite({ title, start }: OwnBackend): Promise<Report> {
  const { url, hooks, stop } = await start();
  try {
    const harness = await urlHarness(url);
    return await runConformance({ ...harness, name: title, hooks: { ...harness.hooks, ...hooks } });
  } finally {
    await stop();
  }
}
