import { LockError } from '@holdfast/lock-core';
import { newerSchema } from './errors.ts';
import { grantsSql } from './sql/grants.ts';
import { stepsSql } from './sql/steps.ts';
import { tablesSql } from './sql/tables.ts';
import { upkeepSql } from './sql/upkeep.ts';

/** The version of the schema that this version of the adapter uses. */
export const schemaVersion = 1;

/** The name of the schema, quoted if SQL needs it. @throws LockError LOCK_INVALID_ARGUMENT for an invalid name */
export function quoteSchema(schema: string): string {
  if (schema === '' || Buffer.byteLength(schema) > 63 || schema.includes('\0')) {
    throw new LockError('LOCK_INVALID_ARGUMENT', 'the name of a schema of PostgreSQL has 1 to 63 bytes');
  }
  // It would end the quoted bodies of the functions.
  if (schema.includes('$')) throw new LockError('LOCK_INVALID_ARGUMENT', 'the name of the schema must not contain $');
  // Any other name may be a keyword of SQL.
  return schema === 'holdfast' ? schema : `"${schema.replaceAll('"', '""')}"`;
}

/** SQL that names the schema `holdfast`, for a schema of another name. @throws LockError LOCK_INVALID_ARGUMENT */
export function named(sql: string, schema: string): string {
  const name = quoteSchema(schema);
  const inText = name.replaceAll("'", "''");
  // In one pass: the name may contain what is replaced.
  return sql.replaceAll(/('?)holdfast\./g, (_, quote: string) => `${quote}${quote === '' ? name : inText}.`);
}

/**
 * Returns the SQL that creates the tables and functions of the locks. It is one statement, which takes effect completely or not at all.
 * Running it again changes nothing.
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid name of the schema
 */
export function lockSchemaSql(schema = 'holdfast'): string {
  const name = quoteSchema(schema);
  const text = name.replaceAll("'", "''");
  const body = named([tablesSql, grantsSql, stepsSql, upkeepSql].join(''), schema);
  return `DO $setup$
DECLARE
  present integer;
BEGIN
  PERFORM set_config('client_min_messages', 'warning', true);
  -- Two sessions that run this at once would conflict.
  PERFORM pg_advisory_xact_lock(hashtext('holdfast schema'));
  IF to_regprocedure('${text}.version()') IS NOT NULL THEN
    EXECUTE 'SELECT ${text}.version()' INTO present;
    IF present > ${schemaVersion} THEN
      RAISE EXCEPTION 'the schema has version %, this package makes version ${schemaVersion}: use a newer one', present USING ERRCODE = '${newerSchema}';
    END IF;
  END IF;
  IF to_regnamespace('${text}') IS NULL THEN
    CREATE SCHEMA ${name};
  END IF;
${body}
  CREATE OR REPLACE FUNCTION ${name}.version() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT ${schemaVersion}';
END $setup$;
`;
}
