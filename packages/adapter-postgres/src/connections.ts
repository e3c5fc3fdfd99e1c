import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg, { type Client, type ClientConfig, type QueryResultRow } from 'pg';
import { type PostgresLockOptions, settingsOf } from './options.ts';

/** The connections of one adapter. */
export interface Connections {
  /**
   * Sends one statement and answers its rows, once a connection is free; `onTurn` is called just before it is sent. Not sent,
   * and rejected, when `signal` has aborted by then.
   */
  ask<Row extends QueryResultRow>(
    text: string,
    values: readonly unknown[],
    signal?: AbortSignal,
    onTurn?: () => void,
  ): Promise<Row[]>;
  /** Opens a connection of its own, beside those that serve requests. */
  open(): Promise<Client>;
  /** Ends all of them, at once where the server does not answer. */
  close(): Promise<void>;
}

// A commit that a crash of the server forgets would be a lock given twice. And one statement must see what another one has
// committed while it waited.
const sessionSettings = '-c synchronous_commit=on -c default_transaction_isolation=read\\ committed';

/** @throws LockError LOCK_INVALID_ARGUMENT for an option that makes no sense. */
export function createConnections(options: PostgresLockOptions): Connections {
  const { connection, maxConnections, callTimeoutMs } = settingsOf(options);
  const sockets = new Set<Socket>();
  const config: ClientConfig = {
    application_name: 'holdfast',
    keepAlive: true,
    ...connection,
    options: [connection.options, sessionSettings].filter(Boolean).join(' '),
    connectionTimeoutMillis: callTimeoutMs,
    // The server gives up too, so that a statement which waits for a row does not take effect long after.
    statement_timeout: callTimeoutMs,
    query_timeout: callTimeoutMs,
    stream: () => {
      const socket = new Socket();
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      return socket;
    },
  };
  // Holding a lock does not keep the process alive, so idle connections must not.
  const pool = new pg.Pool({
    ...config,
    max: maxConnections,
    allowExitOnIdle: true,
    // Counts the waiting for a free one too: a burst must not fail where it only has to wait.
    connectionTimeoutMillis: 5 * callTimeoutMs,
  });
  // An idle connection that breaks is replaced; without a listener it would end the process.
  pool.on('error', ignore);

  return {
    async ask<Row extends QueryResultRow>(
      text: string,
      values: readonly unknown[],
      signal?: AbortSignal,
      onTurn?: () => void,
    ) {
      const client = await pool.connect();
      onTurn?.();
      // It may have waited for its turn longer than the caller did: what nobody wants is not sent (H27).
      if (signal?.aborted) {
        client.release();
        throw signal.reason;
      }
      client.on('error', ignore); // what breaks the connection rejects the statement as well
      try {
        const { rows } = await client.query<Row>(text, [...values]);
        client.release();
        return rows;
      } catch (error) {
        client.release(true); // its statement may still be running
        throw error;
      } finally {
        client.off('error', ignore);
      }
    },

    async open() {
      const client = new pg.Client(config) as Client & { unref(): void };
      client.on('error', ignore);
      await client.connect();
      // No connection keeps the process alive: lock-core does, for those who wait.
      client.unref();
      return client;
    },

    async close() {
      // Statements on their way may end, for as long as they may take.
      const ended = new AbortController();
      const patience = sleep(callTimeoutMs, undefined, { signal: ended.signal }).catch(ignore);
      await Promise.race([pool.end(), patience]);
      ended.abort();
      // Ends those of `open` too, and what a silent server would keep open.
      for (const socket of sockets) {
        if (socket.connecting) socket.destroy();
        else socket.destroySoon();
      }
    },
  };
}

function ignore(): void {}
