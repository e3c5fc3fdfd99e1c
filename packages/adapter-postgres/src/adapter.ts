import { createHash } from 'node:crypto';
import type { AcquireAttempt, AcquireOutcome, HoldRef, LockAdapter, RenewOutcome } from '@holdfast/lock-core';
import { createConnections } from './connections.ts';
import { readable } from './errors.ts';
import type { PostgresLockOptions } from './options.ts';
import { createWakeUps } from './wake-ups.ts';

/**
 * Locks as rows of a PostgreSQL table, one statement for each request, leases by the server's clock. It opens its own
 * connections, when they are needed, and ends them in `close`. The tables are made by `createLockTables`.
 *
 * @throws LockError LOCK_INVALID_ARGUMENT for an option that makes no sense; later, from its calls, LOCK_BACKEND with
 * `retryable` false when the database refuses: no tables, no rights, wrong password.
 */
export function postgresAdapter(options: PostgresLockOptions = {}): LockAdapter {
  const connections = createConnections(options);
  const wakeUps = createWakeUps(connections.open);
  let closing: Promise<void> | undefined;
  /**
   * Requests that wait for a connection. Who asks again meanwhile waits for the same one: else each time-out would put one
   * more into the queue that was too long already. Its lease will begin after both were asked.
   */
  const unsent = new Map<string, { signal: AbortSignal; outcome: Promise<AcquireOutcome> }>();

  const ask: typeof connections.ask = (text, values, signal, onTurn) =>
    connections.ask<never>(text, values, signal, onTurn).catch((error: unknown) => {
      throw readable(error);
    });

  /** Deletes the row of a key, `owner`'s if given, and wakes the waiters. Whether that ended a hold. */
  async function free(key: string, owner?: string): Promise<boolean> {
    const [row] = await ask<{ held: boolean }>(
      `WITH freed AS (
         DELETE FROM holdfast.lock WHERE key = $1 AND owner = coalesce($2, owner) RETURNING expires_at
       )
       SELECT expires_at > clock_timestamp() AS held, pg_notify($3, '') FROM freed`,
      [bytes(key), owner === undefined ? null : bytes(owner), channelOf(key)],
    );
    return row?.held === true;
  }

  async function acquire(attempt: AcquireAttempt, onTurn: () => void): Promise<AcquireOutcome> {
    const { key, owner, ttlMs, tokens, signal } = attempt;
    const [row] = await ask<{ token: string | null; tokens: number; busy_ms: number }>(
      'SELECT token, tokens, busy_ms FROM holdfast.acquire($1, $2, $3, $4)',
      [bytes(key), bytes(owner), ttlMs, tokens],
      signal,
      onTurn,
    );
    if (row!.token === null) return { status: 'busy', retryAfterMs: Math.max(0, row!.busy_ms) };
    // The lease of the row began after this was called (H47).
    return { status: 'granted', fencingToken: BigInt(row!.token), tokens: row!.tokens, validForMs: ttlMs };
  }

  async function renewMany(holds: readonly HoldRef[], ttlMs: number): Promise<RenewOutcome[]> {
    if (holds.length === 0) return [];
    const rows = await ask<{ key: Buffer; owner: Buffer }>('SELECT key, owner FROM holdfast.renew($1, $2, $3)', [
      holds.map(({ key }) => bytes(key)),
      holds.map(({ owner }) => bytes(owner)),
      ttlMs,
    ]);
    const renewed = new Set(rows.map(({ key, owner }) => `${owner} ${key}`));
    return holds.map(({ key, owner }) =>
      renewed.has(`${owner} ${key}`) ? { status: 'renewed', validForMs: ttlMs } : { status: 'lost' },
    );
  }

  return {
    name: 'postgres',
    capabilities: {
      fencing: true,
      fairness: 'none',
      expiry: 'ttl',
      wakeup: 'push',
      // Replication is asynchronous unless the server is told otherwise: a promoted standby may not know the last grant.
      survivesFailover: false,
      crossProcess: true,
      ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: 50 },
    },

    tryAcquire(attempt) {
      const { key, owner, ttlMs, signal } = attempt;
      const id = JSON.stringify([key, owner, ttlMs]);
      const waiting = unsent.get(id);
      if (waiting?.signal === signal) return waiting.outcome;
      const outcome = acquire(attempt, () => unsent.delete(id));
      unsent.set(id, { signal, outcome });
      const forget = (): void => {
        if (unsent.get(id)?.outcome === outcome) unsent.delete(id);
      };
      outcome.then(forget, forget);
      return outcome;
    },

    async renew(hold, ttlMs) {
      const [outcome] = await renewMany([hold], ttlMs);
      return outcome!;
    },

    renewMany,

    release: async ({ key, owner }) => ((await free(key, owner)) ? 'released' : 'not-held'),

    forceRelease: (key) => free(key),

    async inspect(key) {
      const [row] = await ask<{ owner: Buffer; token: string; remaining_ms: number }>(
        `SELECT owner, token, extract(epoch FROM expires_at - clock_timestamp())::float8 * 1000 AS remaining_ms
         FROM holdfast.lock WHERE key = $1 AND expires_at > clock_timestamp()`,
        [bytes(key)],
      );
      if (row === undefined) return undefined;
      return {
        key,
        owner: row.owner.toString(),
        remainingMs: Math.max(0, row.remaining_ms),
        fencingToken: BigInt(row.token),
        waiters: undefined,
      };
    },

    whenFree: (key, signal) => wakeUps.whenFree(channelOf(key), signal),

    close() {
      closing ??= (async () => {
        wakeUps.close();
        await connections.close();
      })();
      return closing;
    },
  };
}

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8');

/** The channel of a key: names of channels have at most 63 bytes. Two keys with one channel would only be woken too early. */
function channelOf(key: string): string {
  return `holdfast_${createHash('sha256').update(key).digest('hex').slice(0, 40)}`;
}
