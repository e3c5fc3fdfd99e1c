import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

/** Runs a program in a process of its own; rejects when it does not end by itself. */
async function run(program: string): Promise<string> {
  const source = new URL('../src/index.ts', import.meta.url).href;
  const memory = new URL('../../adapter-memory/src/index.ts', import.meta.url).href;
  const head = `import { createLocks } from '${source}'; import { memoryAdapter } from '${memory}';`;
  const args = ['--import', 'tsx', '--input-type=module', '-e', head + program];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 25_000 });
  return stdout.trim();
}

it('H55: a process that holds a lock and has nothing else to do ends', async () => {
  expect(await run(`const lock = await createLocks(memoryAdapter()).acquire('k'); console.log(lock.state);`)).toBe(
    'held',
  );
});

for (const fairness of ['fifo', 'none']) {
  it(`H55: a process that waits for a lock does not end before it has it (${fairness})`, async () => {
    const program = `
      const locks = createLocks(memoryAdapter({ fairness: '${fairness}' }));
      await locks.acquire('k', { ttlMs: 300, autoRenew: false });
      const lock = await locks.acquire('k');
      console.log(lock.state);`;
    expect(await run(program)).toBe('held');
  });
}

for (const call of ['acquire', 'tryAcquire']) {
  for (const fairness of ['fifo', 'none']) {
    it(`H55: a process that waits for an answer does not end before it is told that there is none (${call}, ${fairness})`, async () => {
      const program = `
        const never = () => new Promise(() => {});
        const adapter = memoryAdapter({ fairness: '${fairness}' });
        const mute = { ...adapter, tryAcquire: never, release: never, ...(adapter.enqueue && { enqueue: never }) };
        const locks = createLocks(mute, { ttlMs: 300, waitMs: 500, backendTimeoutMs: 500 });
        await locks.${call}('k').catch(({ code }) => console.log(code));`;
      expect(await run(program)).toBe('LOCK_BACKEND');
    });
  }
}

for (const call of [
  "inspect('k')",
  "forceRelease('k')",
  'list()[Symbol.asyncIterator]().next()',
  "acquire('held').then((lock) => lock.renew())",
]) {
  it(`H55: a process that waits for any other answer does not end before it is told that there is none (${call})`, async () => {
    const program = `
      const never = () => new Promise(() => {});
      const mute = { inspect: never, forceRelease: never, keys: never, renew: never, renewMany: never, release: never };
      const locks = createLocks({ ...memoryAdapter(), ...mute }, { ttlMs: 3_000, backendTimeoutMs: 500 });
      await locks.${call}.catch(({ code }) => console.log(code));`;
    expect(await run(program)).toBe('LOCK_BACKEND');
  });
}

it('H55: a process that pauses between two campaigns does not end before it leads', async () => {
  const program = `
    const adapter = memoryAdapter();
    let refused = 0;
    const ask = (operation) => (...given) =>
      ++refused < 9 ? Promise.reject(new Error('down')) : adapter[operation](...given);
    const failing = { ...adapter, tryAcquire: ask('tryAcquire'), enqueue: ask('enqueue') };
    const locks = createLocks(failing, { backendTimeoutMs: 50, ttlMs: 3_000 });
    await locks.lead('k', (term) => console.log(term.state));`;
  expect(await run(program)).toBe('held');
});

it('H48: an event loop blocked for two leases: the first thing that the holder sees is the loss', async () => {
  const program = `
    const lock = await createLocks(memoryAdapter()).acquire('k', { ttlMs: 300 });
    const { signal } = lock;
    const until = performance.now() + 700;
    while (performance.now() < until);
    console.log(signal.aborted || lock.signal.aborted, lock.state, lock.remainingMs);`;
  expect(await run(program)).toBe('true lost 0');
});
