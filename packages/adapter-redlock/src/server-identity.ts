import { LockError } from '@holdfast/lock-core';
import { type RedisClientBinding, readRunId } from '@holdfast/redis-protocol';

/** Sees to it that the nodes are different servers: one server with two votes makes a majority of one (H35). */
export interface ServerIdentities {
  /** True when node `i` is known; else resolves when it is, and rejects when its server does not say who it is. */
  check(i: number): true | Promise<void>;
  /** Set when two nodes turned out to be one server; then nothing may be granted any more. */
  readonly duplicate: LockError | undefined;
}

export function createServerIdentities(clients: readonly RedisClientBinding[]): ServerIdentities {
  const nodeOf = new Map<string, number>();
  const known: boolean[] = [];
  const checks: (Promise<void> | undefined)[] = [];
  let duplicate: LockError | undefined;

  async function look(i: number): Promise<void> {
    const runId = await readRunId(clients[i]!);
    const other = nodeOf.get(runId);
    if (other !== undefined && other !== i) {
      duplicate ??= new LockError(
        'LOCK_INVALID_ARGUMENT',
        `Redlock nodes ${Math.min(i, other) + 1} and ${Math.max(i, other) + 1} are the same Redis server (run_id ${runId}), so one server would have two ` +
          'votes. Give each node a server of its own; two databases of one server are one server.',
      );
      throw duplicate;
    }
    nodeOf.set(runId, i);
    known[i] = true;
  }

  return {
    check(i) {
      if (known[i]) return true;
      checks[i] ??= look(i).finally(() => {
        checks[i] = undefined;
      });
      return checks[i];
    },
    get duplicate() {
      return duplicate;
    },
  };
}
