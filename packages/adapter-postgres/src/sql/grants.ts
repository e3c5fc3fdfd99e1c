/** What the steps have in common. Each is called by a step that has locked the row of the key. */
export const grantsSql = `
-- A transaction that sees the tables as they were when it began would grant a key that is held.
CREATE OR REPLACE FUNCTION holdfast.begin_step() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('transaction_isolation') NOT LIKE 'read%' THEN
    RAISE EXCEPTION 'the locks need the isolation level read committed, this session has %',
      current_setting('transaction_isolation') USING ERRCODE = 'HF001';
  END IF;
  -- If a crash made the server forget a commit, the lock would be granted twice.
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
END $$;

-- The next tokens. After a failover, skips more than the server can have forgotten: 2^24 grants. A session checks once: only a promotion
-- changes the timeline, and no session that has written survives one.
CREATE OR REPLACE FUNCTION holdfast.next_token() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  here text;
BEGIN
  IF current_setting('holdfast_session.origin', true) IS DISTINCT FROM 'holdfast.origin' THEN
    here := left(pg_walfile_name(pg_current_wal_lsn()), 8);
    IF NOT EXISTS (SELECT FROM holdfast.origin o WHERE o.timeline = here) THEN
      UPDATE holdfast.origin o SET timeline = here WHERE o.timeline <> here;
      IF FOUND THEN
        PERFORM setval('holdfast.token', s.last_value + 65536::bigint * 16777216) FROM holdfast.token s;
      END IF;
    END IF;
    -- Rolled back with the transaction, as is the update above. The value names the schema.
    PERFORM set_config('holdfast_session.origin', 'holdfast.origin', false);
  END IF;
  RETURN nextval('holdfast.token');
END $$;

-- A new token, and a lease that begins now, for a hold that the calling statement has just inserted. Answers as ask() does.
CREATE OR REPLACE FUNCTION holdfast.renumber(k bytea, lease_ms double precision) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  answer text;
BEGIN
  -- Like lock_timeout elsewhere: after this time, the caller no longer relies on the answer.
  IF clock_timestamp() > statement_timestamp() + interval '5 seconds' THEN
    RAISE EXCEPTION 'the request waited too long for another one' USING ERRCODE = '55P03';
  END IF;
  UPDATE holdfast.lock l
    SET token = holdfast.next_token(), granted_at = clock_timestamp(),
      expires_at = clock_timestamp() + lease_ms * interval '1 millisecond'
    WHERE l.key = k
    RETURNING 'granted ' || l.token || ' ' || l.tokens INTO STRICT answer;
  RETURN answer;
END $$;

-- Whether no transaction has pinned the exclusive hold of the key. In that case, the caller now has the row to itself.
CREATE OR REPLACE FUNCTION holdfast.is_unpinned(k bytea) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM holdfast.lock l WHERE l.key = k FOR UPDATE SKIP LOCKED;
  RETURN FOUND;
END $$;

-- Writes a hold, and answers its first token. A shared hold carries the last token that was issued before it.
CREATE OR REPLACE FUNCTION holdfast.give(
  k bytea, o bytea, wanted_units bigint, all_units bigint, lease_ms double precision, wanted_tokens integer,
  OUT first_token bigint, OUT got_tokens integer
) LANGUAGE plpgsql AS $$
DECLARE
  until timestamptz := clock_timestamp() + lease_ms * interval '1 millisecond';
  is_shared boolean := all_units = 4611686018427387904 AND wanted_units < all_units;
BEGIN
  IF is_shared THEN
    SELECT l.token + greatest(l.tokens - 1, 0) INTO first_token FROM holdfast.lock l WHERE l.key = k;
    IF first_token = 0 THEN
      -- The row of an earlier hold is gone. No token that was issued for the key is higher than the last one issued for any key.
      SELECT CASE WHEN s.is_called THEN s.last_value + 65535 ELSE 0 END INTO first_token FROM holdfast.token s;
    END IF;
    got_tokens := 1;
  ELSE
    first_token := holdfast.next_token();
    got_tokens := least(wanted_tokens, 65535);
  END IF;
  IF wanted_units = 4611686018427387904 THEN
    UPDATE holdfast.lock l SET owner = o, expires_at = until, token = first_token, tokens = got_tokens, units = all_units,
      granted_at = clock_timestamp()
      WHERE l.key = k;
  ELSE
    UPDATE holdfast.lock l
      SET crowded = true, units = all_units,
        token = CASE WHEN is_shared THEN l.token ELSE first_token END,
        tokens = CASE WHEN is_shared THEN l.tokens ELSE got_tokens END
      WHERE l.key = k;
    INSERT INTO holdfast.holder
      SELECT k, o, until, first_token, got_tokens, wanted_units, coalesce(max(h.since), 0) + 1
      FROM holdfast.holder h WHERE h.key = k;
  END IF;
END $$;

-- Drops what has expired, and grants from the head of the queue for as long as the head is compatible with the holders. Each
-- waiter that is granted gets a message, and a short reservation within which it must claim the rest of its lease. Answers how many
-- units are then taken: if none are, nobody waits either.
CREATE OR REPLACE FUNCTION holdfast.settle(k bytea, asker bytea) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  l holdfast.lock;
  p holdfast.place;
  taken bigint := 0;
BEGIN
  SELECT * INTO l FROM holdfast.lock t WHERE t.key = k;
  IF NOT FOUND THEN RETURN 0; END IF;
  IF l.owner IS NOT NULL THEN
    IF l.expires_at > clock_timestamp() OR NOT holdfast.is_unpinned(k) THEN
      taken := l.units;
    ELSE
      UPDATE holdfast.lock t SET owner = NULL WHERE t.key = k;
    END IF;
  END IF;
  IF l.crowded THEN
    DELETE FROM holdfast.holder h USING (
      SELECT x.owner FROM holdfast.holder x WHERE x.key = k AND x.expires_at <= clock_timestamp() FOR UPDATE SKIP LOCKED
    ) AS over WHERE h.key = k AND h.owner = over.owner AND h.expires_at <= clock_timestamp();
    SELECT taken + coalesce(sum(h.units), 0) INTO taken FROM holdfast.holder h WHERE h.key = k;
    LOOP
      SELECT * INTO p FROM holdfast.place t WHERE t.key = k ORDER BY t.ticket LIMIT 1 FOR UPDATE;
      EXIT WHEN NOT FOUND;
      IF p.alive_until > clock_timestamp() THEN
        EXIT WHEN p.units > l.units - taken;
        PERFORM holdfast.give(k, p.owner, p.units, l.units, least(p.ttl_ms, 3000), p.tokens);
        taken := taken + p.units;
        -- If a session that listens but stands still has filled the queue, NOTIFY would fail the release. Waiters then look by themselves.
        IF p.channel <> '' AND p.owner IS DISTINCT FROM asker AND pg_notification_queue_usage() < 0.9 THEN
          PERFORM pg_notify(p.channel, encode(p.owner, 'hex'));
        END IF;
      END IF;
      DELETE FROM holdfast.place t WHERE t.key = k AND t.owner = p.owner;
    END LOOP;
    IF NOT EXISTS (SELECT FROM holdfast.place t WHERE t.key = k)
      AND NOT EXISTS (SELECT FROM holdfast.holder h WHERE h.key = k) THEN
      UPDATE holdfast.lock t SET crowded = false WHERE t.key = k;
    END IF;
  END IF;
  RETURN taken;
END $$;

-- How long until the key may become free by itself, in ms. Not in the language sql, whose functions are planned again for each call.
CREATE OR REPLACE FUNCTION holdfast.free_in(k bytea) RETURNS double precision LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT greatest(0, extract(epoch FROM least(
    (SELECT l.expires_at FROM holdfast.lock l WHERE l.key = k AND l.owner IS NOT NULL),
    (SELECT min(h.expires_at) FROM holdfast.holder h WHERE h.key = k)
  ) - clock_timestamp())) * 1000);
END $$;
`;
