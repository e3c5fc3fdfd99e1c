// One member of the group, a process of its own: SIGTERM makes it resign.
import { setTimeout as sleep } from 'node:timers/promises';
import { call } from '@holdfast/example-kit';
import { openLocks } from 'holdfast';

const [url, group, name] = process.argv.slice(2) as [string, string, string];

const stopped = new AbortController();
process.on('SIGTERM', () => stopped.abort());

await using locks = await openLocks(url, { ttlMs: 3_000, require: { fencing: true, crossProcess: true } });
await call('standing');
await locks
  .lead(
    `leader:${group}`,
    async (term) => {
      while (!term.signal.aborted) {
        // From here to the order it does not look at the lock again, as no program can look all the time.
        await call('thinks', name);
        // Whatever a leader orders goes out under its term, and a group that has seen a higher one refuses it.
        if (!(await call<boolean>('order', name, term.fencingToken))) break;
        await sleep(50, undefined, { signal: term.signal }).catch(() => {});
      }
    },
    { signal: stopped.signal },
  )
  .catch((error) => {
    if (!stopped.signal.aborted) throw error;
  });
process.disconnect();
