// One member of the group, a process of its own: SIGTERM makes it resign.
import { setTimeout as sleep } from 'node:timers/promises';
import { call } from '@holdfast/example-kit';
import { openLocks } from 'holdfast';
import { standForElection } from './lead.ts';

const [url, group, name] = process.argv.slice(2) as [string, string, string];

const stopped = new AbortController();
process.on('SIGTERM', () => stopped.abort());

await using locks = await openLocks(url, { ttlMs: 3_000, require: { fencing: true, crossProcess: true } });
await call('standing');
await standForElection(locks, group, stopped.signal, async (term, inOffice) => {
  while (!inOffice.aborted) {
    // Whatever a leader orders goes out under its term, and a member that has seen a higher one refuses it.
    if (!(await call<boolean>('order', name, term))) break;
    await sleep(50, undefined, { signal: inOffice }).catch(() => {});
  }
});
process.disconnect();
