/**
 * The usual cases as plain statements, which cost the server half of what a function does: a key that nobody has is taken, and a hold that
 * nobody waits for and no transaction has pinned ends. In every other case they change nothing and call the function, which decides.
 * Each parameter stands once, and in order: the clients that know only `?` take them too. `NOT MATERIALIZED` puts them where they are used.
 */

// What begin_step() sees to: such a session goes through the function.
const isUsual = `current_setting('transaction_isolation') = 'read committed' AND current_setting('synchronous_commit') <> 'off'`;

/**
 * Takes a free key: key, owner, lease in ms, tokens, waiter lease in ms, channel. The insert may have waited for another's transaction, with
 * its token drawn and the clock read before: a token that was drawn since may be higher (H62), and the lease begins now (H28). After a
 * failover, the token may have been given before.
 */
export const takeSql: string = `WITH a AS NOT MATERIALIZED (
  SELECT $1::text AS key, $2::text AS owner, $3::text::float8 AS lease_ms, $4::text::integer AS tokens, $5::text::float8 AS waiter_ms,
    $6::text AS channel
), taken AS (
  INSERT INTO holdfast.lock AS t (key, owner, expires_at, token, tokens, units, crowded)
  SELECT decode(a.key, 'hex'), decode(a.owner, 'hex'), clock_timestamp() + a.lease_ms * interval '1 millisecond',
    nextval('holdfast.token'), least(a.tokens, 65535), 4611686018427387904, false
  FROM a WHERE ${isUsual}
  ON CONFLICT (key) DO NOTHING
  RETURNING CASE
    WHEN pg_sequence_last_value('holdfast.token') = t.token
      AND clock_timestamp() < statement_timestamp() + interval '20 milliseconds'
      AND EXISTS (SELECT FROM holdfast.origin o WHERE o.timeline = left(pg_walfile_name(pg_current_wal_lsn()), 8))
    THEN 'granted ' || t.token || ' ' || t.tokens
    ELSE holdfast.renumber(t.key, (SELECT a.lease_ms FROM a))
  END AS answer
)
SELECT coalesce((SELECT answer FROM taken), holdfast.ask(a.key, a.owner, 4611686018427387904, 4611686018427387904, a.lease_ms, a.tokens,
  a.waiter_ms, a.channel)) AS answer FROM a`;

/** The same by the function alone. */
export const plainTakeSql: string = `SELECT holdfast.ask($1::text, $2::text, 4611686018427387904, 4611686018427387904, $3::text::float8,
  $4::text::integer, $5::text::float8, $6::text) AS answer`;

/** Ends a hold: key, owner. A row whose xmax is set may be pinned, and is left to the function, which does not wait for that. */
export const endSql: string = `WITH a AS NOT MATERIALIZED (SELECT $1::text AS key, $2::text AS owner), ended AS (
  DELETE FROM holdfast.lock t USING a
  WHERE t.key = decode(a.key, 'hex') AND t.owner = decode(a.owner, 'hex') AND NOT t.crowded AND t.xmax = '0'::xid
    AND current_setting('synchronous_commit') <> 'off'
  RETURNING CASE WHEN t.expires_at > clock_timestamp() THEN 'released' ELSE 'not-held' END AS answer
)
SELECT coalesce((SELECT answer FROM ended), holdfast.release(a.key, a.owner)) AS answer FROM a`;
