import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Harness } from '@holdfast/conformance';
import { exitCodes } from '../exit-codes.ts';
import { Failure } from '../failure.ts';

/** A harness from the author's module: its default export or its export `harness`, or a function that returns one. */
export async function moduleHarness(path: string): Promise<Harness> {
  const file = resolve(path);
  if (!existsSync(file)) {
    throw new Failure(
      `There is no file ${path}. The target is a lock URL, such as redis://127.0.0.1:6379, or a module.`,
    );
  }
  const module = await load(file, path);
  const exported = module.default ?? module.harness;
  const harness: unknown = typeof exported === 'function' ? await exported() : exported;
  if (isHarness(harness)) return harness;
  throw new Failure(
    `The module ${path} exports no harness: give it "export default { name, adapter, capabilities }", or a function that gives that.`,
  );
}

function isHarness(value: unknown): value is Harness {
  const harness = value as Partial<Harness> | undefined | null;
  return typeof harness?.adapter === 'function' && typeof harness.capabilities === 'object';
}

async function load(file: string, path: string): Promise<Record<string, unknown>> {
  // Before the first try: a module that could not be imported once cannot be imported again.
  if (/ts$/.test(extname(file))) await loadTsx();
  try {
    return await import(pathToFileURL(file).href);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_UNKNOWN_FILE_EXTENSION') throw error;
    throw new Failure(
      `Node ${process.versions.node} does not read TypeScript: npm install --save-dev tsx, or use a newer Node, or compile ${path} to JavaScript.`,
      exitCodes.unsupported,
    );
  }
}

/** Makes Node load TypeScript with the project's tsx, if it has one. */
async function loadTsx(): Promise<void> {
  let tsx: string;
  try {
    // Its main entry: from here, `tsx/esm/api` would resolve to its CommonJS form, which cannot register itself.
    tsx = createRequire(join(process.cwd(), 'package.json')).resolve('tsx');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return; // a newer Node does without
    throw error;
  }
  await import(pathToFileURL(tsx).href);
}
