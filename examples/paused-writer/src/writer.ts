// One process that takes an amount out of the account, under the lock: reads, computes, writes.
import { call } from '@holdfast/example-kit';
import { openLocks } from 'holdfast';
import { openAccount } from './accounts.ts';

const [lockUrl, key, accountUrl, amount, fenced] = process.argv.slice(2) as [string, string, string, string, string];

const account = await openAccount(accountUrl);
const locks = await openLocks(lockUrl, { ttlMs: 2_000, require: { fencing: true, crossProcess: true } });
const lock = await locks.acquire(key);
const before = fenced === 'true' ? await account.readFenced(lock.fencingToken) : await account.read();
const balance = before - Number(amount);
await call('has read', lock.fencingToken);
// Here the process may sleep for longer than its lease. It has no way to notice before this very line writes.
const written = fenced === 'true' ? await account.writeFenced(balance, lock.fencingToken) : await writePlain();
await call('has written', written, lock.state);
await locks.close();
await account.close();
process.disconnect();

async function writePlain(): Promise<boolean> {
  await account.write(balance);
  return true;
}
