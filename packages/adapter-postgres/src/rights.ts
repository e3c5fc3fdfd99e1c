import { grantsSql } from './sql/grants.ts';
import { stepsSql } from './sql/steps.ts';
import { upkeepSql } from './sql/upkeep.ts';
import type { Statement } from './statements.ts';

const functions = new Set([
  'version',
  ...[grantsSql, stepsSql, upkeepSql].flatMap((sql) =>
    [...sql.matchAll(/FUNCTION holdfast\.(\w+)/g)].map(([, name]) => name!),
  ),
]);
const listed = (names: Iterable<string>): string => [...names].map((name) => `'${name}'`).join(', ');

/**
 * The rights that the user lacks in the schema (the parameter); empty if none. Taken from the catalogue, which can be read without any
 * right to the schema. The schema may contain tables of others.
 */
export const missingRights: Statement = {
  name: 'holdfast.rights',
  text: `WITH s AS (SELECT oid, nspname FROM pg_namespace WHERE nspname = $1::text), r AS (
  SELECT c.oid, c.relname, c.relkind FROM pg_class c JOIN s ON c.relnamespace = s.oid
    WHERE c.relname IN ('lock', 'holder', 'place', 'origin', 'token') AND c.relkind IN ('r', 'S')
)
SELECT coalesce(string_agg(missing.what, ', '), '') AS answer FROM (
  SELECT 'USAGE on schema ' || s.nspname AS what FROM s WHERE NOT has_schema_privilege(s.oid, 'USAGE')
  UNION ALL
  SELECT p.name || ' on ' || r.relname FROM r, (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) AS p (name)
    WHERE r.relkind = 'r' AND NOT has_table_privilege(r.oid, p.name)
  UNION ALL
  SELECT p.name || ' on ' || r.relname FROM r, (VALUES ('USAGE'), ('SELECT'), ('UPDATE')) AS p (name)
    WHERE r.relkind = 'S' AND NOT has_sequence_privilege(r.oid, p.name)
  UNION ALL
  SELECT 'EXECUTE on ' || f.proname FROM pg_proc f JOIN s ON f.pronamespace = s.oid
    WHERE f.proname IN (${listed(functions)}) AND NOT has_function_privilege(f.oid, 'EXECUTE')
  UNION ALL
  SELECT 'BYPASSRLS for ' || r.relname FROM r WHERE r.relkind = 'r' AND row_security_active(r.oid)
) AS missing`,
};
