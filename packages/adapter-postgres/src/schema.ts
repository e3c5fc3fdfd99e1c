/** What the locks need in the database. Running it again changes nothing. */
export const schemaSql: string = `
-- What the locks need, made once: by createLockTables(). Running it again changes nothing.

-- Two that run this at once would trip over each other.
SELECT pg_advisory_xact_lock(hashtext('holdfast schema'));

CREATE SCHEMA IF NOT EXISTS holdfast;

-- One row per held key. A release deletes it; that of a crashed holder stays until the key is taken again, or is swept:
-- DELETE FROM holdfast.lock WHERE expires_at < clock_timestamp() - interval '1 day';
CREATE TABLE IF NOT EXISTS holdfast.lock (
  key bytea PRIMARY KEY, -- not text: a legal key may hold U+0000, which text cannot; shown by convert_from(key, 'UTF8')
  owner bytea NOT NULL,
  token bigint NOT NULL, -- the first of the tokens that are reserved for this hold
  tokens integer NOT NULL,
  expires_at timestamptz NOT NULL -- by the clock of the server, the only one that counts (H23)
);

-- Fencing tokens, a block of 128 for each grant. A sequence outlives rows, rollbacks and crashes, and never goes back (H62).
-- Keep CACHE at 1: a session that has values in stock would hand out an old one after another session's newer one.
CREATE SEQUENCE IF NOT EXISTS holdfast.token AS bigint INCREMENT BY 128 MINVALUE 128 CACHE 1 NO CYCLE;

-- Takes the key for the asker if it is free, or refreshes the hold that he has. Granted: token and tokens; busy: busy_ms.
CREATE OR REPLACE FUNCTION holdfast.acquire(
  asked_key bytea, asker bytea, ttl_ms double precision, wanted integer,
  OUT token bigint, OUT tokens integer, OUT busy_ms double precision
) LANGUAGE plpgsql AS $$
DECLARE
  held holdfast.lock;
BEGIN
  -- A look without a row lock: who only finds the key busy writes nothing, and stands in nobody's way.
  SELECT * INTO held FROM holdfast.lock l WHERE l.key = asked_key;
  IF held.owner <> asker AND held.expires_at > clock_timestamp() THEN
    busy_ms := extract(epoch FROM held.expires_at - clock_timestamp()) * 1000;
    RETURN;
  END IF;

  LOOP
    -- A row that has expired already, so that there is one to lock. Waits for a rival who is inserting it.
    INSERT INTO holdfast.lock AS l VALUES (asked_key, asker, 0, 0, '-infinity') ON CONFLICT (key) DO NOTHING;
    SELECT * INTO held FROM holdfast.lock l WHERE l.key = asked_key FOR UPDATE;
    EXIT WHEN FOUND; -- else it was released just now
  END LOOP;

  -- From here on nobody else decides about this key. Only now may the clock be read and a token be drawn: a token drawn
  -- before could be lower than that of a hold which began and ended meanwhile.
  IF held.expires_at <= clock_timestamp() THEN
    held.token := nextval('holdfast.token');
    held.tokens := least(wanted, 128);
  ELSIF held.owner <> asker THEN
    busy_ms := extract(epoch FROM held.expires_at - clock_timestamp()) * 1000;
    RETURN;
  END IF;
  UPDATE holdfast.lock l
    SET owner = asker, token = held.token, tokens = held.tokens,
        expires_at = clock_timestamp() + ttl_ms * interval '1 millisecond'
    WHERE l.key = asked_key;
  token := held.token;
  tokens := held.tokens;
END $$;

-- Prolongs those of the holds that still stand, and tells which. What has expired stays expired (H6).
CREATE OR REPLACE FUNCTION holdfast.renew(asked_keys bytea[], asked_owners bytea[], ttl_ms double precision)
RETURNS TABLE (key bytea, owner bytea) LANGUAGE plpgsql AS $$
BEGIN
  -- In the order of the keys, so that two that renew the same holds cannot lock each other out.
  PERFORM FROM holdfast.lock l
    JOIN unnest(asked_keys, asked_owners) AS asked (key, owner) ON l.key = asked.key AND l.owner = asked.owner
    ORDER BY l.key FOR UPDATE OF l;
  RETURN QUERY
    UPDATE holdfast.lock l SET expires_at = clock_timestamp() + ttl_ms * interval '1 millisecond'
    FROM unnest(asked_keys, asked_owners) AS asked (key, owner)
    WHERE l.key = asked.key AND l.owner = asked.owner AND l.expires_at > clock_timestamp()
    RETURNING l.key, l.owner;
END $$;
`;
