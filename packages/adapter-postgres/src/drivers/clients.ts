import { LockError } from '@holdfast/lock-core';
import type { Client, ClientConfig, Pool } from 'pg';
import { answerIn, type Driver, within } from './driver.ts';
import { type PgSettings, pgConnections } from './pg-connections.ts';

/** A pool of `pg`: its settings are taken for connections of our own, its connections are left to the application. */
export interface PgPoolLike {
  readonly options: object;
  readonly totalCount: number;
  connect(): Promise<unknown>;
}

/** A client of `pg`, connected, and for the locks alone. */
export interface PgClientLike {
  readonly processID?: unknown;
  query(config: { name: string; text: string; values: (string | null)[] }): Promise<unknown>;
  query(text: string): Promise<unknown>;
  on(event: string, listener: (...values: never[]) => void): unknown;
}

/** What `postgres()` makes, of the package `postgres`. */
export interface PostgresJsLike {
  unsafe(
    text: string,
    values?: (string | null)[],
    options?: { prepare?: boolean },
  ): PromiseLike<readonly object[]> & { cancel(): unknown };
  listen(channel: string, onMessage: (payload: string) => void, onListen?: () => void): PromiseLike<unknown>;
  readonly options: object;
}

/** A database of PGlite. */
export interface PgliteLike {
  query(text: string, values?: (string | null)[]): Promise<{ rows: unknown[] }>;
  exec(text: string): Promise<unknown>;
  listen(channel: string, onMessage: (payload: string) => void): Promise<() => Promise<void>>;
}

/** Runs one statement outside of transactions, and gives its rows: an array of objects, or an object with `rows`. */
export type QueryFunction = (text: string, values: readonly (string | null)[]) => PromiseLike<unknown>;

/** Every client that the adapter can use. */
export type PostgresClientLike = PgPoolLike | PgClientLike | PostgresJsLike | PgliteLike | QueryFunction;

/** The way to the database through a client of the application. @throws LockError LOCK_INVALID_ARGUMENT for anything else */
export function driverOf(client: unknown, settings: Omit<PgSettings, 'connection'>): Driver {
  const { callTimeoutMs, pooler } = settings;
  if (typeof client === 'function') {
    return isPostgresJs(client)
      ? postgresJs(client, callTimeoutMs, pooler)
      : queryFunction(client as QueryFunction, callTimeoutMs);
  }
  const parts = (typeof client === 'object' && client !== null ? client : {}) as Record<string, unknown>;
  const has = (...methods: string[]): boolean => methods.every((method) => typeof parts[method] === 'function');
  if (has('connect') && typeof parts.totalCount === 'number') return likePool(client as Pool, settings);
  if (has('query', 'exec', 'listen')) return pglite(client as PgliteLike, callTimeoutMs);
  if (has('query', 'on')) return pgClient(client as PgClientLike, callTimeoutMs, pooler);
  throw new LockError(
    'LOCK_INVALID_ARGUMENT',
    'client is a Pool or Client of pg, what postgres() makes, a PGlite, or a function (text, values) => rows',
  );
}

const isPostgresJs = (client: object): client is PostgresJsLike =>
  typeof (client as Partial<PostgresJsLike>).unsafe === 'function';

/** Connections of our own, made as those of the pool are: locks must not wait for what the application holds under them. */
function likePool(pool: Pool, settings: Omit<PgSettings, 'connection'>): Driver {
  const options = pool.options as ClientConfig & { Client?: unknown };
  const { Client: OwnClient } = pool as Pool & { Client?: new (config: ClientConfig) => Client };
  if (OwnClient === undefined) {
    throw new LockError(
      'LOCK_INVALID_ARGUMENT',
      'this pool does not say how it connects: pass the adapter a `url` instead',
    );
  }
  const classes = { Pool: pool.constructor as new (config: object) => Pool, Client: OwnClient };
  // pg keeps passwords from being listed.
  const connection = { ...options, password: options.password, ssl: options.ssl };
  return pgConnections(async () => classes, { ...settings, connection });
}

const tooLate = 'The client did not answer (are all of its connections in use?)';

function pgClient(client: PgClientLike, callTimeoutMs: number, pooler: boolean): Driver {
  return {
    prepares: !pooler,
    crossProcess: true,
    async answer({ name, text }, values, signal, onSend) {
      signal?.throwIfAborted();
      onSend?.();
      const sent = client.query({ text, values: [...values], ...(pooler ? {} : { name }) } as never);
      return answerIn(await within(callTimeoutMs, tooLate, sent));
    },
    async run(sql) {
      await client.query(sql);
    },
    listen: pooler
      ? undefined
      : async (channel, { onMessage, onLost }) => {
          client.on('notification', ((message: { channel: string; payload?: string }) => {
            if (message.channel === channel) onMessage(message.payload ?? '');
          }) as never);
          client.on('end', onLost as never);
          await client.query(`LISTEN "${channel}"`);
        },
    close: async () => {},
  };
}

function postgresJs(sql: PostgresJsLike, callTimeoutMs: number, pooler: boolean): Driver {
  let listening: { unlisten(): unknown } | undefined;
  return {
    prepares: !pooler,
    crossProcess: true,
    async answer({ text }, values, signal, onSend) {
      signal?.throwIfAborted();
      onSend?.();
      const sent = sql.unsafe(text, [...values], { prepare: !pooler });
      try {
        return answerIn(await within(callTimeoutMs, tooLate, sent));
      } catch (error) {
        // One that waits for a connection is never sent.
        if (!(error instanceof Error && 'severity' in error)) cancel(sent);
        throw error;
      }
    },
    async run(text) {
      await sql.unsafe(text);
    },
    listen: pooler
      ? undefined
      : async (channel, { onMessage }) => {
          // It listens again by itself when its connection breaks; what was missed meanwhile, the waiters find.
          listening = (await sql.listen(channel, onMessage)) as { unlisten(): unknown };
        },
    async close() {
      await listening?.unlisten();
    },
  };
}

/** Takes back a query that waits for a connection. One that is sent is left alone: its cancellation may reject where nobody listens. */
function cancel(query: { cancel(): unknown; active?: unknown }): void {
  if (query.active === false) query.cancel();
}

function pglite(db: PgliteLike, callTimeoutMs: number): Driver {
  let stop: (() => Promise<void>) | undefined;
  return {
    // The database is inside this process.
    prepares: false,
    crossProcess: false,
    async answer({ text }, values, signal, onSend) {
      signal?.throwIfAborted();
      onSend?.();
      return answerIn(await within(callTimeoutMs, tooLate, db.query(text, [...values])));
    },
    async run(sql) {
      await db.exec(sql);
    },
    async listen(channel, { onMessage }) {
      stop = await db.listen(channel, onMessage);
    },
    async close() {
      await stop?.();
    },
  };
}

function queryFunction(query: QueryFunction, callTimeoutMs: number): Driver {
  return {
    prepares: false,
    crossProcess: true,
    async answer({ text }, values, signal, onSend) {
      signal?.throwIfAborted();
      onSend?.();
      return answerIn(await within(callTimeoutMs, tooLate, query(text, [...values])));
    },
    async run(sql) {
      await query(sql, []);
    },
    close: async () => {},
  };
}
