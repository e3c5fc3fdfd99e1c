import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { LockError } from '@holdfast/lock-core';
import type { Client, ClientConfig, Pool, PoolClient, PoolConfig } from 'pg';
import { isUndone } from '../errors.ts';
import { answerIn, answerOf, asText, type Driver, type Listener, type Wanted } from './driver.ts';
import { sendOver } from './pg-request.ts';

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
  /** Whether the server is behind a pooler that shares sessions between transactions. */
  readonly pooler: boolean;
}

// A statement must see what others have committed while it waited. Planning a lookup by index again costs more than doing it. Forbidden
// scans count as so expensive that the server would compile each statement. Functions of the application must not replace those of
// PostgreSQL.
const sessionSettings =
  '-c search_path=pg_catalog -c default_transaction_isolation=read\\ committed -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off';

/** Connections of `pg` for the locks alone, so that an application that has used up its own connections cannot block them. */
export function pgConnections(load: () => Promise<PgClasses>, settings: PgSettings): Driver {
  const { callTimeoutMs, pooler } = settings;
  const sockets = new Set<Socket>();
  let opened: Promise<{ pool: Pool; classes: PgClasses; config: ClientConfig }> | undefined;
  let closed = false;
  const standing = new Set<unknown>();
  /** Why the last connection failed, if none stands. */
  let unreachable: { readonly cause: unknown } | undefined;
  let attempt: Promise<void> | undefined;

  function open(): NonNullable<typeof opened> {
    if (closed) return Promise.reject(new LockError('LOCK_CLOSED', 'the adapter is closed'));
    opened ??= load().then((classes) => {
      const config = configOf(settings, sockets);
      const pool = new classes.Pool({
        ...config,
        max: settings.maxConnections,
        // Holding a lock does not keep the process alive, so idle connections must not.
        allowExitOnIdle: true,
        // This includes the wait for a free connection: a burst that only has to wait must not fail.
        connectionTimeoutMillis: 5 * callTimeoutMs,
      });
      // An idle connection that breaks is replaced; without a listener, it would end the process. If one breaks that is in use, this rejects
      // its statement as well.
      pool.on('error', ignore);
      pool.on('connect', (client) => {
        standing.add(client);
        client.on('error', ignore);
      });
      pool.on('remove', (client) => standing.delete(client));
      return { pool, classes, config };
    });
    opened.catch(() => {
      opened = undefined;
    });
    return opened;
  }

  /** A connection of the pool: with a callback, which costs less than its promises. */
  function connected(pool: Pool): Promise<PoolClient> {
    return new Promise((resolve, reject) => {
      pool.connect((cause, client) => {
        unreachable = client === undefined && standing.size === 0 ? { cause } : undefined;
        if (client === undefined) reject(cause);
        else resolve(client);
      });
    });
  }

  /**
   * While the server cannot be reached, there is one attempt at a time, for all who ask. Each leaves a connection behind that a frozen
   * server looks at when it goes on, before it serves anybody (H116).
   */
  function connect(pool: Pool): Promise<PoolClient> {
    if (unreachable === undefined || pool.idleCount > 0) return connected(pool);
    if (attempt !== undefined) {
      return attempt.then(() => {
        if (unreachable !== undefined) throw unreachable.cause;
        return connected(pool);
      });
    }
    const client = connected(pool);
    const ended = (): void => {
      attempt = undefined;
    };
    attempt = client.then(ended, ended);
    return client;
  }

  async function onConnection<T>(
    use: (client: PoolClient) => Promise<T>,
    wanted?: Wanted,
    onSend?: () => void,
  ): Promise<T> {
    const { pool } = await open();
    const mayWait = pool.idleCount <= pool.waitingCount;
    const client = await (mayWait && wanted ? whileWanted(connect(pool), wanted.signal) : connect(pool));
    onSend?.();
    let broken = true;
    try {
      const result = await use(client);
      broken = false;
      return result;
    } catch (error) {
      broken = !isUndone(error); // otherwise, its statement may still be running
      throw error;
    } finally {
      client.release(broken);
    }
  }

  return {
    crossProcess: true,
    prepares: !pooler,

    answer: (statement, values, wanted, onSend) =>
      onConnection(
        // A pooler may give the next statement to a session that has not prepared it.
        (client) => answerOf(statement, values, (each, parameters) => sendOver(client, each, !pooler, parameters)),
        wanted,
        onSend,
      ),

    run: (sql) =>
      onConnection(async (client) => {
        await client.query(sql);
      }),

    isDirect: () =>
      onConnection(async (client) => {
        const { processID } = client as PoolClient & { processID?: unknown };
        return answerIn(await client.query('SELECT pg_backend_pid() AS answer')) === String(processID);
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
      // Statements in flight may finish, within the time that they may take.
      const ended = new AbortController();
      const patience = sleep(callTimeoutMs, undefined, { signal: ended.signal }).catch(ignore);
      await Promise.race([pool?.end(), patience]);
      ended.abort();
      // Also closes the connection that listens, and those that a silent server would keep open.
      for (const socket of sockets) {
        if (socket.connecting || socket.destroySoon === undefined) socket.destroy();
        else socket.destroySoon();
      }
    },
  };
}

/** What nobody wants any more is not sent, and waits no longer (H27). */
function whileWanted(connecting: Promise<PoolClient>, signal: AbortSignal): Promise<PoolClient> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      reject(signal.reason);
      connecting.then((client) => client.release(), ignore);
    };
    if (signal.aborted) return leave();
    signal.addEventListener('abort', leave, { once: true });
    connecting.then(
      (client) => {
        signal.removeEventListener('abort', leave);
        if (!signal.aborted) resolve(client);
      },
      (error: unknown) => {
        signal.removeEventListener('abort', leave);
        reject(error);
      },
    );
  });
}

function configOf({ connection, callTimeoutMs, pooler }: PgSettings, sockets: Set<Socket>): ClientConfig {
  const config: ClientConfig = {
    application_name: 'holdfast',
    keepAlive: true,
    ...connection,
    connectionTimeoutMillis: callTimeoutMs,
    query_timeout: callTimeoutMs,
    // The pool of an application may turn it on; `pg` then accepts no requests but its own.
    ...{ pipeline: false },
    types: asText,
    // The connector of a cloud provider, for example, brings its own.
    stream: (...given) => {
      const { stream = () => new Socket() } = connection;
      const socket = (typeof stream === 'function' ? stream(...given) : stream) as Socket;
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      return socket;
    },
  };
  if (pooler) return config;
  return {
    ...config,
    options: [connection.options, sessionSettings].filter(Boolean).join(' '),
    // The server gives up too, so that a statement that waits for a row does not take effect much later.
    statement_timeout: callTimeoutMs,
  };
}

/** Connects, listens, and reports messages until the connection ends. */
async function listenOn(client: Client, channel: string, listener: Listener): Promise<void> {
  let stands = false;
  client.on('error', ignore); // the connection also ends
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
