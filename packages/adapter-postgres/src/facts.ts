import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Driver } from './drivers/driver.ts';
import { isWithoutSchema, readable } from './errors.ts';
import { connectionOf, type PostgresTarget } from './open.ts';
import { type PostgresLockOptions, settingsOf } from './options.ts';
import { missingRights } from './rights.ts';
import { quoteSchema, schemaVersion } from './schema.ts';

/** What a server reports about itself and about the schema of the locks. */
export interface PostgresFacts {
  readonly version: string;
  /** The version as a number, such as 150018 for 15.18. */
  readonly versionNumber: number;
  readonly isStandby: boolean;
  /** The number of connected standbys. */
  readonly standbys: number;
  readonly synchronousStandbys: string;
  readonly synchronousCommit: string;
  readonly fsync: boolean;
  readonly isolation: string;
  readonly idleInTransactionMs: number;
  readonly throughPooler: boolean;
  /** How full the queue of NOTIFY is, from 0 to 1. */
  readonly notifyQueueUsage: number;
  /** Whether a notification arrives; `undefined` where none is expected: through a pooler, or from a standby. */
  readonly notifies: boolean | undefined;
  /** `undefined` if the schema does not exist. */
  readonly schemaVersion: number | undefined;
  readonly wantedVersion: number;
  readonly missingRights: readonly string[];
  readonly tableBytes: number;
  readonly rows: number;
}

/** A server to query, for `holdfast doctor`. */
export interface FactSource {
  facts(): Promise<PostgresFacts>;
  /** The clock of the server, in ms since 1970. */
  timeMs(): Promise<number>;
  close(): Promise<void>;
}

const serverSql = `SELECT json_build_object(
  'version', current_setting('server_version'),
  'versionNumber', current_setting('server_version_num')::int,
  'isStandby', pg_is_in_recovery(),
  'standbys', (SELECT count(*) FROM pg_stat_replication),
  'synchronousStandbys', current_setting('synchronous_standby_names'),
  'synchronousCommit', current_setting('synchronous_commit'),
  'fsync', current_setting('fsync') = 'on',
  'isolation', current_setting('default_transaction_isolation'),
  'notifyQueueUsage', pg_notification_queue_usage(),
  'idleInTransactionMs', (SELECT setting::bigint FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout')
)::text AS answer`;

// Taken from the catalogue, which can be read without any right to the schema.
const schemaSql = `SELECT json_build_object(
  'tableBytes', (
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1::text AND c.relname IN ('lock', 'holder', 'place')
  ),
  'rows', (
    SELECT coalesce(sum(greatest(c.reltuples, 0)), 0) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1::text AND c.relname IN ('lock', 'holder', 'place')
  )
)::text AS answer`;

const noticeMs = 1_000;

/** Whether a notification that is sent over one connection arrives over another. */
async function notifies({ listen, answer }: Driver): Promise<boolean | undefined> {
  if (listen === undefined) return undefined;
  const channel = `holdfast_doctor_${randomBytes(8).toString('hex')}`;
  const ended = new AbortController();
  try {
    return await new Promise<boolean>((resolve, reject) => {
      const tell = async (): Promise<void> => {
        await listen(channel, { onMessage: () => resolve(true), onLost: () => resolve(false) });
        await answer({ name: '', text: `SELECT 'told' AS answer FROM pg_notify($1::text, '')` }, [channel]);
        await sleep(noticeMs, undefined, { signal: ended.signal });
        resolve(false);
      };
      tell().catch(reject);
    });
  } catch {
    return false; // a full queue, or a pooler: the other facts say which
  } finally {
    ended.abort();
  }
}

/**
 * Prepares to read the facts of a server, over two connections of its own, which are opened when they are needed.
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid target or option
 */
export function openFacts(target: PostgresTarget, options: PostgresLockOptions = {}): FactSource {
  const { driver, schema } = settingsOf({ ...options, maxConnections: 1, connection: connectionOf(target) });
  const ask = async (text: string, values: string[] = []): Promise<string> => {
    try {
      return String(await driver.answer({ name: '', text }, values));
    } catch (error) {
      throw readable(error);
    }
  };

  async function versionOfSchema(): Promise<number | undefined> {
    try {
      return Number(await driver.answer({ name: '', text: `SELECT ${quoteSchema(schema)}.version() AS answer` }, []));
    } catch (error) {
      if (isWithoutSchema(error)) return undefined;
      return schemaVersion; // the missing rights say why it cannot be read
    }
  }

  return {
    async facts() {
      const server = JSON.parse(await ask(serverSql)) as Pick<PostgresFacts, 'isStandby'>;
      const found = JSON.parse(await ask(schemaSql, [schema]));
      const missing = await ask(missingRights.text, [schema]);
      const throughPooler = (await driver.isDirect?.()) === false;
      return {
        ...server,
        ...found,
        missingRights: missing === '' ? [] : missing.split(', '),
        throughPooler,
        notifies: server.isStandby === true ? undefined : await notifies(driver),
        schemaVersion: await versionOfSchema(),
        wantedVersion: schemaVersion,
      };
    },
    timeMs: async () => Number(await ask('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS answer')),
    close: () => driver.close(),
  };
}
