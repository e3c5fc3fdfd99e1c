import { randomBytes } from 'node:crypto';
import type { AcquireAttempt, Granted, LockAdapter } from '@holdfast/lock-core';
import type { PostgresServer } from '@holdfast/testbed';
import pg, { type Client } from 'pg';
import { expect } from 'vitest';

export const newName = (what = 'key'): string => `${what}-${randomBytes(8).toString('hex')}`;

export const attempt = (key: string, more?: Partial<AcquireAttempt>): AcquireAttempt => ({
  ...{ key, owner: randomBytes(16).toString('hex'), ttlMs: 60_000, tokens: 1, signal: new AbortController().signal },
  ...more,
});

/** Asks, and fails unless it is granted. */
export async function grant(adapter: LockAdapter, asked: AcquireAttempt): Promise<Granted> {
  const outcome = await adapter.tryAcquire(asked);
  if (outcome.status !== 'granted') throw new Error(`${asked.key} is ${outcome.status}`);
  return outcome;
}

/** Polls until the answer is yes; fails after a generous 20 s. */
export async function eventually(what: string, ask: () => boolean | Promise<boolean>): Promise<void> {
  await expect.poll(ask, { message: what, timeout: 20_000, interval: 20 }).toBe(true);
}

/** A session in the hands of a test, as somebody else's. */
export async function session(server: PostgresServer): Promise<Client & AsyncDisposable> {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

/** Whether exactly `count` statements of the adapters wait for a lock of the database. */
export const waiting = async (server: PostgresServer, count = 1): Promise<boolean> => {
  const rows = await server.query(
    `SELECT FROM pg_stat_activity WHERE application_name = 'holdfast' AND wait_event_type = 'Lock'`,
  );
  return rows.length === count;
};
