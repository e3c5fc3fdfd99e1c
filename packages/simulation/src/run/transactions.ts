import type { Lock } from '@holdfast/lock-core';
import type { ClientProcess } from '../backends/backend.ts';
import type { Deed } from '../schedule/types.ts';
import type { Calls } from './calls.ts';
import type { Held } from './held.ts';
import type { Oracle } from './oracle.ts';

interface Terms {
  readonly process: ClientProcess;
  readonly oracle: Oracle;
  readonly calls: Calls;
  note(who: string, what: string): void;
  sleep(ms: number): Promise<void>;
}

/** A transaction of the application under a lock that is asserted in it: a write, some work, and its end. */
export async function transact(
  { process, oracle, calls, note, sleep }: Terms,
  held: Held,
  lock: Lock,
  { ms, ends }: Deed & { do: 'transaction' },
): Promise<void> {
  const { name, step } = held;
  const say = (what: string): void => note(process.machine.name, `${name} ${what}`);
  const transaction = await process
    .openTransaction?.()
    .catch((error: Error) => say(`opens no transaction: ${error.message}`));
  if (transaction === undefined) return;
  try {
    try {
      await lock.assertIn(transaction.client);
    } catch (error) {
      say(`cannot assert its hold: ${(error as Error).message}`);
      // What the application's own client says is its business.
      if ((error as { code?: string }).code?.startsWith('LOCK_'))
        calls.checkError(name, error, ['LOCK_LOST', 'LOCK_RELEASED', 'LOCK_BACKEND']);
      return;
    }
    say('has asserted its hold in a transaction');
    transaction.pinned();
    oracle.pinned(held, transaction.isOpen);
    // Beside others, or after a renewal inside the process, tokens say nothing about the order of writes.
    if (lock.mode === 'exclusive' && lock.fencingToken !== undefined)
      await transaction.write(step.key, lock.fencingToken);
    await sleep(ms);
    if (ends !== 'abandon') await transaction.end(ends === 'commit' ? 'COMMIT' : 'ROLLBACK');
    say(`ends its transaction: ${ends}`);
  } catch (error) {
    say(`does not know the end of its transaction: ${(error as Error).message}`);
  } finally {
    transaction.close(ends === 'abandon');
  }
}
