// One of three processes with the same timetable.
import { call } from '@holdfast/example-kit';
import { isLockError, openLocks } from 'holdfast';

const [url, key, name] = process.argv.slice(2) as [string, string, string];

await using locks = await openLocks(url, {
  ttlMs: 2_000,
  backendTimeoutMs: 3_000,
  require: { fencing: true, crossProcess: true },
});
for (;;) {
  const tick = await call<number | undefined>('tick', name);
  if (tick === undefined) break;
  try {
    await locks.using(key, async ({ fencingToken }) => {
      // All that is due, not only this tick: a process that died may have left one undone.
      for (const due of await call<number[]>('due', fencingToken)) {
        await call('work', name, due);
        if (!(await call<boolean>('write', due, fencingToken))) return;
      }
    });
  } catch (error) {
    // Cut off from the locks: it does nothing, and the others do it.
    if (!isLockError(error, 'LOCK_BACKEND')) throw error;
  }
}
process.disconnect();
