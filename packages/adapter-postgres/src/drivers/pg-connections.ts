import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { LockError } from '@holdfast/lock-core';
import type { Client, ClientConfig, Pool, PoolClient, PoolConfig } from 'pg';
import { isUndone } from '../errors.ts';
import { answerIn, type Driver, type Listener } from './driver.ts';

/** The two classes of `pg`. */
export interface PgClasses {
  readonly Pool: new (config: PoolConfig) => Pool;
  readonly Client: new (config: ClientConfig) => Client;
}

/** How connections of our own are opened. */
export interface PgSettings {
  readonly connection: ClientConfig;
  readonly maxConnections: number;
  readonly callTimeoutMs: number;
  /** Whether a pooler that shares sessions between transactions stands before the server. */
  readonly pooler: boolean;
}

// One statement must see what another one has committed while it waited. To plan again what is always done by index costs more than to do it.
const sessionSettings =
  '-c default_transaction_isolation=read\\ committed -c plan_cache_mode=force_generic_plan -c enable_seqscan=off';

/** Connections of `pg` that belong to the locks alone, so that an application which has used up its own cannot block them. */
export function pgConnections(load: () => Promise<PgClasses>, settings: PgSettings): Driver {
  const { callTimeoutMs, pooler } = settings;
  const sockets = new Set<Socket>();
  let opened: Promise<{ pool: Pool; classes: PgClasses; config: ClientConfig }> | undefined;
  let closed = false;

  function open(): NonNullable<typeof opened> {
    if (closed) return Promise.reject(new LockError('LOCK_CLOSED', 'the adapter is closed'));
    opened ??= load().then((classes) => {
      const config = configOf(settings, sockets);
      const pool = new classes.Pool({
        ...config,
        max: settings.maxConnections,
        // Holding a lock does not keep the process alive, so idle connections must not.
        allowExitOnIdle: true,
        // Counts the waiting for a free one too: a burst must not fail where it only has to wait.
        connectionTimeoutMillis: 5 * callTimeoutMs,
      });
      // An idle connection that breaks is replaced; without a listener it would end the process.
      pool.on('error', ignore);
      return { pool, classes, config };
    });
    opened.catch(() => {
      opened = undefined;
    });
    return opened;
  }

  async function onConnection<T>(
    use: (client: PoolClient) => Promise<T>,
    signal?: AbortSignal,
    onSend?: () => void,
  ): Promise<T> {
    const client = await (await open()).pool.connect();
    onSend?.();
    // It may have waited for its turn longer than the caller did: what nobody wants is not sent (H27).
    if (signal?.aborted) {
      client.release();
      throw signal.reason;
    }
    client.on('error', ignore); // what breaks the connection rejects the statement as well
    let broken = true;
    try {
      const result = await use(client);
      broken = false;
      return result;
    } catch (error) {
      broken = !isUndone(error); // else its statement may still be running
      throw error;
    } finally {
      client.off('error', ignore);
      client.release(broken);
    }
  }

  return {
    crossProcess: true,
    prepares: !pooler,

    answer: ({ name, text }, values, signal, onSend) =>
      onConnection(
        // A pooler may give the next statement to a session that has not prepared it.
        async (client) =>
          answerIn(await client.query({ text, values: [...values], rowMode: 'array', ...(pooler ? {} : { name }) })),
        signal,
        onSend,
      ),

    run: (sql) =>
      onConnection(async (client) => {
        await client.query(sql);
      }),

    isDirect: () =>
      onConnection(async (client) => {
        const { processID } = client as PoolClient & { processID?: unknown };
        return answerIn(await client.query('SELECT pg_backend_pid() AS answer')) === processID;
      }),

    listen: pooler
      ? undefined
      : async (channel, listener) => {
          const { classes, config } = await open();
          await listenOn(new classes.Client(config), channel, listener);
        },

    async close() {
      closed = true;
      const pool = await opened?.then(({ pool }) => pool).catch(ignore);
      // Statements on their way may end, for as long as they may take.
      const ended = new AbortController();
      const patience = sleep(callTimeoutMs, undefined, { signal: ended.signal }).catch(ignore);
      await Promise.race([pool?.end(), patience]);
      ended.abort();
      // Ends the one that listens too, and what a silent server would keep open.
      for (const socket of sockets) {
        if (socket.connecting) socket.destroy();
        else socket.destroySoon();
      }
    },
  };
}

function configOf({ connection, callTimeoutMs, pooler }: PgSettings, sockets: Set<Socket>): ClientConfig {
  const config: ClientConfig = {
    application_name: 'holdfast',
    keepAlive: true,
    ...connection,
    connectionTimeoutMillis: callTimeoutMs,
    query_timeout: callTimeoutMs,
    stream: () => {
      const socket = new Socket();
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      return socket;
    },
  };
  if (pooler) return config;
  return {
    ...config,
    options: [connection.options, sessionSettings].filter(Boolean).join(' '),
    // The server gives up too, so that a statement which waits for a row does not take effect long after.
    statement_timeout: callTimeoutMs,
  };
}

/** Connects, listens, and tells of messages until the connection ends. */
async function listenOn(client: Client, channel: string, listener: Listener): Promise<void> {
  let stands = false;
  client.on('error', ignore); // it ends as well
  client.on('notification', ({ payload }) => listener.onMessage(payload ?? ''));
  client.once('end', () => stands && listener.onLost());
  try {
    await client.connect();
    // No connection keeps the process alive: lock-core does, for those who wait.
    (client as Client & { unref?(): void }).unref?.();
    // The name is our own, so the quotes are safe.
    await client.query(`LISTEN "${channel}"`);
    stands = true;
  } catch (error) {
    client.end().catch(ignore);
    throw error;
  }
}

function ignore(): void {}
