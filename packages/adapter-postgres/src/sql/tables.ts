/**
 * The tables of one schema. Whoever changes a key first locks its row in `lock`. Nobody locks two of these rows at once, except a
 * renewal, which locks them in the order of the keys. Deadlocks are therefore impossible.
 */
export const tablesSql = `
-- One row per key that is held or waited for. An exclusive hold, the usual one, is in the row itself: acquiring a free key takes one
-- INSERT, and releasing it one DELETE.
CREATE TABLE IF NOT EXISTS holdfast.lock (
  key bytea PRIMARY KEY, -- not text: a key may contain U+0000, which text cannot; shown by convert_from(key, 'UTF8')
  owner bytea, -- of the exclusive hold, else null
  expires_at timestamptz, -- by the clock of the server, the only one that counts (H23)
  token bigint NOT NULL, -- the first of the tokens reserved by the last grant that had some, 0 for none
  tokens integer NOT NULL,
  units bigint NOT NULL, -- how many units the key has: the limit of a semaphore, else 2^62
  crowded boolean NOT NULL, -- whether the key may have rows in the two tables below
  granted_at timestamptz NOT NULL DEFAULT clock_timestamp() -- when the exclusive hold began, for people
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- Holds that others may join: a shared one takes 1 of 2^62 units, and a permit 1 of the limit.
CREATE TABLE IF NOT EXISTS holdfast.holder (
  key bytea NOT NULL,
  owner bytea NOT NULL,
  expires_at timestamptz NOT NULL,
  token bigint NOT NULL,
  tokens integer NOT NULL,
  units bigint NOT NULL,
  since bigint NOT NULL, -- the order of the grants
  granted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (key, owner)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- Places in the queues, in the order of their tickets. A waiter that has not reported by alive_until counts as dead.
CREATE TABLE IF NOT EXISTS holdfast.place (
  key bytea NOT NULL,
  owner bytea NOT NULL,
  ticket bigint NOT NULL,
  alive_until timestamptz NOT NULL,
  ttl_ms double precision NOT NULL,
  tokens integer NOT NULL,
  units bigint NOT NULL,
  channel text NOT NULL, -- where the process of the waiter listens; empty: it asks
  PRIMARY KEY (key, owner)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX IF NOT EXISTS place_order ON holdfast.place (key, ticket);

-- Fencing tokens, a block of 2^16 for each grant. A sequence outlives rows, rollbacks and crashes, and never goes back (H62).
-- Keep CACHE at 1: a session with cached values would hand out an old one after another session's newer one.
CREATE SEQUENCE IF NOT EXISTS holdfast.token AS bigint INCREMENT BY 65536 MINVALUE 65536 CACHE 1 NO CYCLE;

-- The timeline of the server that issued the last tokens. A promoted standby, or a server restored from a backup, has a different
-- timeline, and may have forgotten some of those tokens.
CREATE TABLE IF NOT EXISTS holdfast.origin (timeline text NOT NULL);
IF NOT EXISTS (SELECT FROM holdfast.origin) THEN
  INSERT INTO holdfast.origin VALUES (left(pg_walfile_name(pg_current_wal_lsn()), 8));
END IF;
`;
