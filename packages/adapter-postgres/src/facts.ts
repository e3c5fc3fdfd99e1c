import { isWithoutSchema, readable } from './errors.ts';
import { connectionOf, type PostgresTarget } from './open.ts';
import { type PostgresLockOptions, settingsOf } from './options.ts';
import { quoteSchema, schemaVersion } from './schema.ts';

/** What a server, and the schema in it, say of themselves. */
export interface PostgresFacts {
  readonly version: string;
  /** Such as 150018 for 15.18. */
  readonly versionNumber: number;
  readonly isStandby: boolean;
  /** How many standbys are connected. */
  readonly standbys: number;
  readonly synchronousStandbys: string;
  readonly synchronousCommit: string;
  readonly fsync: boolean;
  readonly isolation: string;
  readonly idleInTransactionMs: number;
  readonly throughPooler: boolean;
  /** `undefined` when there is no schema. */
  readonly schemaVersion: number | undefined;
  readonly wantedVersion: number;
  readonly missingRights: readonly string[];
  readonly tableBytes: number;
  readonly rows: number;
}

/** A server to ask, for the doctor. */
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
  'idleInTransactionMs', (SELECT setting::bigint FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout')
)::text AS answer`;

// By the catalogue, which may be read without any right to the schema.
const schemaSql = `SELECT json_build_object(
  'missingRights', (
    SELECT coalesce(json_agg(r.what), '[]') FROM (
      SELECT DISTINCT 'USAGE on schema ' || n.nspname AS what FROM pg_namespace n
        WHERE n.nspname = $1::text AND NOT has_schema_privilege(n.oid, 'USAGE')
      UNION ALL
      SELECT p.name || ' on ' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
        (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) AS p (name)
        WHERE n.nspname = $1::text AND c.relkind = 'r' AND NOT has_table_privilege(c.oid, p.name)
      UNION ALL
      SELECT p.name || ' on ' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
        (VALUES ('USAGE'), ('SELECT'), ('UPDATE')) AS p (name)
        WHERE n.nspname = $1::text AND c.relkind = 'S' AND NOT has_sequence_privilege(c.oid, p.name)
    ) AS r
  ),
  'tableBytes', (
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1::text AND c.relkind = 'r'
  ),
  'rows', (
    SELECT coalesce(sum(greatest(c.reltuples, 0)), 0) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1::text AND c.relkind = 'r'
  )
)::text AS answer`;

/**
 * Opens a server to be looked at.
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
      const server = JSON.parse(await ask(serverSql));
      const found = JSON.parse(await ask(schemaSql, [schema]));
      const throughPooler = (await driver.isDirect?.()) === false;
      return {
        ...server,
        ...found,
        throughPooler,
        schemaVersion: await versionOfSchema(),
        wantedVersion: schemaVersion,
      };
    },
    timeMs: async () => Number(await ask('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS answer')),
    close: () => driver.close(),
  };
}
