import { LockError } from '@holdfast/lock-core';
import type { Client, ClientConfig, Pool } from 'pg';
import { answerIn, answerOf, answerTo, asText, type Driver, type Listener, within } from './driver.ts';
import { type PgSettings, pgConnections } from './pg-connections.ts';
import { type KnexLike, type PrismaLike, type QueryFunction, queryThrough } from './query.ts';

/** A pool of `pg`. The adapter opens its own connections with the settings of the pool, and does not use those of the pool. */
export interface PgPoolLike {
  readonly options: object;
  readonly totalCount: number;
  connect(): Promise<unknown>;
}

/** A connected client of `pg`, which is used only for the locks. */
export interface PgClientLike {
  readonly processID?: unknown;
  getTransactionStatus?(): unknown;
  query(config: { name: string; text: string; values: (string | null)[] }): Promise<unknown>;
  query(text: string): Promise<unknown>;
  on(event: string, listener: (...values: never[]) => void): unknown;
  off(event: string, listener: (...values: unknown[]) => void): unknown;
}

/** What `postgres()` of the package `postgres` returns. */
export interface PostgresJsLike {
  unsafe(
    text: string,
    values?: (string | null)[],
    options?: { prepare?: boolean },
  ): PromiseLike<readonly object[]> & { cancel(): unknown; raw(): PromiseLike<readonly object[]> };
  listen(channel: string, onMessage: (payload: string) => void, onListen?: () => void): PromiseLike<unknown>;
  readonly options: object;
}

/** A PGlite database. */
export interface PgliteLike {
  query(text: string, values?: (string | null)[]): Promise<{ rows: unknown[] }>;
  exec(text: string): Promise<unknown>;
  listen(channel: string, onMessage: (payload: string) => void): Promise<() => Promise<void>>;
}

/** Every client that the adapter can use. */
export type PostgresClientLike =
  | PgPoolLike
  | PgClientLike
  | PostgresJsLike
  | PgliteLike
  | PrismaLike
  | KnexLike
  | QueryFunction;

/** The way to the database through a client of the application. @throws LockError LOCK_INVALID_ARGUMENT for anything else */
export function driverOf(client: unknown, settings: Omit<PgSettings, 'connection'>): Driver {
  const { callTimeoutMs, pooler } = settings;
  if (typeof client === 'function' && isPostgresJs(client)) return postgresJs(client, callTimeoutMs, pooler);
  const query = queryThrough(client);
  if (query !== undefined) return queryFunction(query, callTimeoutMs);
  const parts = (typeof client === 'object' && client !== null ? client : {}) as Record<string, unknown>;
  const has = (...methods: string[]): boolean => methods.every((method) => typeof parts[method] === 'function');
  if (has('connect') && typeof parts.totalCount === 'number') return likePool(client as Pool, settings);
  if (has('query', 'exec', 'listen')) return pglite(client as PgliteLike, callTimeoutMs);
  if (has('query', 'on')) return pgClient(client as PgClientLike, callTimeoutMs, pooler);
  throw new LockError(
    'LOCK_INVALID_ARGUMENT',
    'client is a Pool or Client of pg, what postgres() makes, a PGlite, a Prisma client, a Knex, or a function (text, values) => rows',
  );
}

const isPostgresJs = (client: object): client is PostgresJsLike =>
  typeof (client as Partial<PostgresJsLike>).unsafe === 'function';

/** Connections of our own with the settings of the pool: locks must not wait for connections that the application uses under them. */
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
  let listening: { readonly channel: string; readonly listener: Listener } | undefined;
  const onNotification = (message: { channel: string; payload?: string }): void => {
    if (message.channel === listening?.channel) listening.listener.onMessage(message.payload ?? '');
  };
  const onEnd = (): void => listening?.listener.onLost();
  const stopHearing = (): void => {
    client.off('notification', onNotification as never);
    client.off('end', onEnd as never);
  };
  return {
    prepares: !pooler,
    crossProcess: true,
    async answer(statement, values, wanted, onSend) {
      wanted?.signal.throwIfAborted();
      refuseTransaction(client);
      onSend?.();
      return answerOf(statement, values, async (each, parameters) => {
        const { name, text } = each;
        const sent = client.query({
          text,
          values: [...parameters],
          types: asText,
          ...(pooler ? {} : { name }),
        } as never);
        return answerTo(each, await within(callTimeoutMs, tooLate, sent));
      });
    },
    async run(sql) {
      await client.query(sql);
    },
    listen: pooler
      ? undefined
      : async (channel, listener) => {
          stopHearing();
          listening = { channel, listener };
          client.on('notification', onNotification as never);
          client.on('end', onEnd as never);
          await client.query(`LISTEN "${channel}"`);
        },
    // The client outlives the adapter: nothing of ours may stay on it.
    async close() {
      if (listening === undefined) return;
      stopHearing();
      await within(callTimeoutMs, tooLate, client.query(`UNLISTEN "${listening.channel}"`)).catch(() => {});
    },
  };
}

/** A lock that is acquired in a transaction of the application is invisible until that commits, and gone if it rolls back. */
function refuseTransaction(client: PgClientLike): void {
  if (!['T', 'E'].includes(String(client.getTransactionStatus?.()))) return;
  throw new LockError(
    'LOCK_INVALID_ARGUMENT',
    'the client of the locks is in a transaction: give them one of their own',
    {
      retryable: false,
    },
  );
}

function postgresJs(sql: PostgresJsLike, callTimeoutMs: number, pooler: boolean): Driver {
  let listening: Promise<{ unlisten(): unknown }> | undefined;
  let hear: Listener['onMessage'] | undefined;
  return {
    prepares: !pooler,
    crossProcess: true,
    async answer(statement, values, wanted, onSend) {
      wanted?.signal.throwIfAborted();
      onSend?.();
      return answerOf(statement, values, async (each, parameters) => {
        const sent = sql.unsafe(each.text, [...parameters], { prepare: !pooler });
        try {
          // Raw, because the application may transform what it reads.
          return answerTo(each, await within(callTimeoutMs, tooLate, sent.raw()));
        } catch (error) {
          // A query that waits for a connection is then never sent.
          if (!(error instanceof Error && 'severity' in error)) cancel(sent);
          throw error;
        }
      });
    },
    async run(text) {
      await sql.unsafe(text);
    },
    listen: pooler
      ? undefined
      : async (channel, { onMessage }) => {
          // Once: it listens again by itself if its connection breaks, even after a first failure. What was missed meanwhile, the
          // waiters find.
          hear = onMessage;
          listening ??= Promise.resolve(
            sql.listen(channel, (payload) => hear?.(payload)) as PromiseLike<{ unlisten(): unknown }>,
          );
          await listening;
        },
    async close() {
      // If the first LISTEN failed, the client has no way to remove the listener: what is left refers to nothing of ours.
      hear = undefined;
      const unlisten = async (): Promise<unknown> => (await listening)?.unlisten();
      await within(callTimeoutMs, tooLate, unlisten()).catch(() => {});
    },
  };
}

/** Withdraws a query that waits for a connection. One that was sent is left alone: cancelling it may cause an unhandled rejection. */
function cancel(query: { cancel(): unknown; active?: unknown }): void {
  if (query.active === false) query.cancel();
}

function pglite(db: PgliteLike, callTimeoutMs: number): Driver {
  let stop: (() => Promise<void>) | undefined;
  return {
    // The database is inside this process.
    prepares: false,
    crossProcess: false,
    async answer({ text }, values, wanted, onSend) {
      wanted?.signal.throwIfAborted();
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
    async answer({ text }, values, wanted, onSend) {
      wanted?.signal.throwIfAborted();
      onSend?.();
      return answerIn(await within(callTimeoutMs, tooLate, query(text, [...values])));
    },
    async run(sql) {
      await query(sql, []);
    },
    close: async () => {},
  };
}
