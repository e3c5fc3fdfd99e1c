/**
 * The usual cases as plain statements, which cost the server half of what a function costs: to acquire a free key, and to release a key
 * that nobody waits for and no transaction has pinned. In every other case, they change nothing, and the function is called next.
 */

// Settings that begin_step() takes care of: such a session goes through the function.
const isDurable = `current_setting('synchronous_commit') <> 'off'`;
const isUsual = `current_setting('transaction_isolation') = 'read committed' AND ${isDurable}`;

/**
 * Takes a free key: key, owner, lease in ms, tokens. The token is drawn and the clock is read before the insert, which may have waited for
 * another transaction: a higher token may exist by then (H62), and the lease begins only now (H28). After a failover, the token may have
 * been issued before: `renumber` checks, once for each session.
 */
export const takeSql: string = `INSERT INTO holdfast.lock AS t (key, owner, expires_at, token, tokens, units, crowded)
SELECT decode($1::text, 'hex'), decode($2::text, 'hex'), clock_timestamp() + $3::text::float8 * interval '1 millisecond',
  nextval('holdfast.token'), least($4::text::integer, 65535), 4611686018427387904, false
WHERE ${isUsual}
ON CONFLICT (key) DO NOTHING
RETURNING CASE
  WHEN pg_sequence_last_value('holdfast.token') = t.token
    AND clock_timestamp() < statement_timestamp() + interval '20 milliseconds'
    AND current_setting('holdfast_session.origin', true) = 'holdfast.origin'
  THEN 'granted ' || t.token || ' ' || t.tokens
  ELSE holdfast.renumber(t.key, $3::text::float8)
END AS answer`;

/** Requests an exclusive hold: the same, waiter lease in ms, channel. Each parameter appears once, in order, as some clients require. */
export const askSql: string = `SELECT holdfast.ask($1::text, $2::text, 4611686018427387904, 4611686018427387904, $3::text::float8,
  $4::text::integer, $5::text::float8, $6::text) AS answer`;

/** Ends a hold: key, owner. A row whose xmax is set may be pinned, so it is left to the function, which does not wait for the pin. */
export const endSql: string = `DELETE FROM holdfast.lock t
WHERE t.key = decode($1::text, 'hex') AND t.owner = decode($2::text, 'hex') AND NOT t.crowded AND t.xmax = '0'::xid
  AND t.expires_at > clock_timestamp() AND ${isDurable}`;
