// A process of its own, for what cannot be shown in the test's: a blocked event loop, and a process that ends by itself.
import { createLocks } from '@holdfast/lock-core';
import type { ClientKit, Target } from './kit.ts';

const [file = '', kitName = '', task = '', target = ''] = process.argv.slice(2);
const { kits } = (await import(file)) as { kits: readonly ClientKit[] };
const kit = kits.find(({ name }) => name === kitName);
if (kit === undefined) throw new Error(`no kit ${kitName}`);
const to = JSON.parse(target) as Target;
const tell = (message: object): void => {
  process.send?.(message);
};

if (task === 'block') {
  const ttlMs = 700;
  const client = kit.connect(to);
  const locks = createLocks(client.adapter());
  const lock = await locks.acquire('blocked', { ttlMs });
  tell({ held: true, token: String(lock.fencingToken) });
  // Let the message out, then stall as a long computation or a garbage collection does.
  await new Promise((resolve) => setTimeout(resolve, 50));
  const end = performance.now() + 2 * ttlMs;
  while (performance.now() < end);
  let asserted = 'held';
  try {
    lock.assertHeld();
  } catch (error) {
    asserted = (error as { code: string }).code;
  }
  tell({ state: lock.state, remainingMs: lock.remainingMs, asserted });
  await locks.close();
  await client.close();
} else {
  // Opens, fails to get an answer, closes; the process then has nothing left to do.
  const locks = createLocks(kit.open(to), { backendTimeoutMs: 300 });
  const error = await locks.acquire('unreachable').catch((reason: unknown) => reason);
  await locks.close();
  tell({ code: (error as { code?: string }).code });
}
process.disconnect?.();
