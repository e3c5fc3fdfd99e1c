import { join } from 'node:path';
// As it is published: the processes that it starts need no time to read TypeScript.
import { type Harness, type Report, runConformance } from '../packages/conformance/dist/index.js';
import { moduleHarness } from '../packages/holdfast/src/cli/conformance/module-harness.ts';
import { urlHarness } from '../packages/holdfast/src/cli/conformance/url-harness.ts';
import { schemeOf } from '../packages/holdfast/src/lock-url.ts';
import { root } from '../test/workspace.ts';
import type { OwnBackend } from './own-backends.ts';

const moduleForProcesses = new URL('../packages/holdfast/dist/cli/conformance/open-adapter.js', import.meta.url);

/** The suite on servers that are started for it. */
export async function ownSuite({ title, start }: OwnBackend): Promise<Report> {
  const { target, hooks, stop } = await start();
  let harness: (Harness & Partial<AsyncDisposable>) | undefined;
  try {
    harness = schemeOf(target) ? await builtHarness(target) : await moduleHarness(join(root, target));
    return await runConformance({ ...harness, name: title, hooks: { ...harness.hooks, ...hooks } });
  } finally {
    await harness?.[Symbol.asyncDispose]?.();
    await stop();
  }
}

async function builtHarness(url: string): Promise<Harness> {
  const harness = await urlHarness(url);
  return { ...harness, process: () => ({ ...harness.process!(), module: moduleForProcesses, execArgv: [] }) };
}
