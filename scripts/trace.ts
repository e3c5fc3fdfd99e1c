import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import type { createLocks as CreateLocks, Locks } from '../packages/lock-core/src/index.ts';

/** The way of one call through the files of lock-core. */
export interface Trace {
  readonly call: string;
  /** The files in the order in which functions of them ran, without repetitions side by side. */
  readonly path: readonly string[];
  readonly files: number;
  /** How often the path comes back to a file that it had left. */
  readonly returns: number;
}

const root = new URL('..', import.meta.url).pathname;
const entered: string[] = [];

/** The JavaScript of a file, with every function saying that it was entered. */
function instrument(file: string, name: string): string {
  const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), {
    compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext },
  });
  const enter = `globalThis.holdfastEntered(${JSON.stringify(name)})`;
  const insertions: { at: number; text: string }[] = [];
  const visit = (node: ts.Node): void => {
    const body = ts.isFunctionLike(node) && 'body' in node ? (node.body as ts.ConciseBody | undefined) : undefined;
    if (body !== undefined && ts.isBlock(body)) insertions.push({ at: body.getStart() + 1, text: `${enter};` });
    else if (body !== undefined) {
      insertions.push({ at: body.getStart(), text: `(${enter}, ` }, { at: body.end, text: ')' });
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(name, outputText, ts.ScriptTarget.Latest, true));
  let text = outputText;
  for (const { at, text: added } of insertions.sort((one, other) => other.at - one.at)) {
    text = text.slice(0, at) + added + text.slice(at);
  }
  return text.replace(/from '\.\/([\w-]+)\.ts'/g, "from './$1.mjs'");
}

/** Traces one uncontended acquire, one renewal, one release and one loss on the memory backend. */
export async function trace(): Promise<Trace[]> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-trace-'));
  Object.assign(globalThis, { holdfastEntered: (name: string) => void entered.push(name) });
  try {
    const core = join(root, 'packages/lock-core/src');
    for (const file of readdirSync(core)) {
      writeFileSync(join(folder, file.replace(/\.ts$/, '.mjs')), instrument(join(core, file), file));
    }
    const built: { createLocks: typeof CreateLocks } = await import(pathToFileURL(join(folder, 'index.mjs')).href);
    const { memoryAdapter } = await import('../packages/adapter-memory/src/index.ts');
    return await record(built.createLocks(memoryAdapter()));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function record(locks: Locks): Promise<Trace[]> {
  const traces: Trace[] = [];
  const traced = async <T>(call: string, run: () => Promise<T>): Promise<T> => {
    entered.length = 0;
    const result = await run();
    const path = entered.filter((file, i) => file !== entered[i - 1]);
    const files = new Set(path).size;
    traces.push({ call, path, files, returns: path.length - files });
    return result;
  };
  // The first call of each kind also arms timers that later ones find armed.
  await (await locks.acquire('warm-up')).release();
  const lock = await traced('acquire', () => locks.acquire('k'));
  await traced('renew', () => lock.renew());
  await traced('release', () => lock.release());
  const lease = await locks.acquire('k', { ttlMs: 50, autoRenew: false });
  const lost = new Promise<void>((resolve) => lease.signal.addEventListener('abort', () => resolve()));
  // A lease keeps no process alive.
  const alive = setInterval(() => {}, 10);
  await traced('loss', () => lost);
  clearInterval(alive);
  await locks.close();
  return traces;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const { call, path, files, returns } of await trace()) {
    console.log(`${call}: ${files} files, ${returns} returns\n  ${path.join(' > ').replaceAll('.ts', '')}\n`);
  }
}
