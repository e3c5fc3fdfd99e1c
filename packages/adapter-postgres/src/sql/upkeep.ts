/** What holders and waiters send while they hold and wait, and the queries of observers. */
export const upkeepSql = `
-- Prolongs those of the holds that still exist, and tells which. What has expired stays expired (H6). Planned for the actual number: a
-- generic plan would compare each with each.
CREATE OR REPLACE FUNCTION holdfast.renew(asked_keys text[], asked_owners text[], lease_ms double precision)
RETURNS text LANGUAGE plpgsql SET lock_timeout = '5s' SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  ks bytea[];
  os bytea[];
  answer text;
BEGIN
  PERFORM holdfast.begin_step();
  SELECT array_agg(decode(a.key, 'hex') ORDER BY a.n), array_agg(decode(a.owner, 'hex') ORDER BY a.n) INTO ks, os
    FROM unnest(asked_keys, asked_owners) WITH ORDINALITY AS a (key, owner, n);
  -- In the order of the keys, so that two that renew the same holds cannot block each other. The clock is read afterwards (H84).
  PERFORM FROM holdfast.lock l WHERE l.key = ANY (ks) ORDER BY l.key FOR NO KEY UPDATE;
  WITH alone AS (
    UPDATE holdfast.lock l SET expires_at = clock_timestamp() + lease_ms * interval '1 millisecond'
    FROM unnest(ks, os) AS a (key, owner)
    WHERE l.key = a.key AND l.owner = a.owner AND l.expires_at > clock_timestamp()
    RETURNING l.key, l.owner
  ), beside AS (
    UPDATE holdfast.holder h SET expires_at = clock_timestamp() + lease_ms * interval '1 millisecond'
    FROM unnest(ks, os) AS a (key, owner)
    WHERE h.key = a.key AND h.owner = a.owner AND h.expires_at > clock_timestamp()
    RETURNING h.key, h.owner
  ), renewed AS (SELECT * FROM alone UNION ALL SELECT * FROM beside)
  SELECT string_agg(CASE WHEN r.key IS NULL THEN '0' ELSE '1' END, '' ORDER BY a.n) INTO answer
    FROM unnest(ks, os) WITH ORDINALITY AS a (key, owner, n) LEFT JOIN renewed r USING (key, owner);
  RETURN answer;
END $$;

-- Turns an exclusive hold into a shared one, and admits the shared waiters at the head of the queue.
CREATE OR REPLACE FUNCTION holdfast.downgrade(asked_key text, asker text, lease_ms double precision)
RETURNS text LANGUAGE plpgsql SET lock_timeout = '5s' AS $$
DECLARE
  k bytea := decode(asked_key, 'hex');
  o bytea := decode(asker, 'hex');
  l holdfast.lock;
  until timestamptz;
BEGIN
  PERFORM holdfast.begin_step();
  SELECT * INTO l FROM holdfast.lock t WHERE t.key = k FOR NO KEY UPDATE;
  until := clock_timestamp() + lease_ms * interval '1 millisecond';
  IF l.owner = o AND l.expires_at > clock_timestamp() THEN
    IF NOT holdfast.is_unpinned(k) THEN
      RAISE EXCEPTION 'an open transaction has pinned the hold: it ends before the lock can be shared' USING ERRCODE = 'HF002';
    END IF;
    UPDATE holdfast.lock t SET owner = NULL, crowded = true WHERE t.key = k;
    INSERT INTO holdfast.holder VALUES (k, o, until, l.token, l.tokens, 1, 1, l.granted_at);
    PERFORM holdfast.settle(k, NULL);
    RETURN 'renewed';
  END IF;
  UPDATE holdfast.holder h SET expires_at = until WHERE h.key = k AND h.owner = o AND h.expires_at > clock_timestamp();
  RETURN CASE WHEN FOUND THEN 'renewed' ELSE 'lost' END;
END $$;

-- Keeps places in the queues alive, and tells for each how long its waiter may sleep; x: it is gone. It waits for nobody: a place that is
-- being changed right now is kept alive the next time. With 0 ms, it only looks.
CREATE OR REPLACE FUNCTION holdfast.beat(asked_keys text[], asked_owners text[], waiter_ms double precision)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  answer text;
BEGIN
  PERFORM holdfast.begin_step();
  UPDATE holdfast.place p SET alive_until = clock_timestamp() + waiter_ms * interval '1 millisecond'
    FROM (
      SELECT q.key, q.owner FROM holdfast.place q
      JOIN unnest(asked_keys, asked_owners) AS a (key, owner) ON q.key = decode(a.key, 'hex') AND q.owner = decode(a.owner, 'hex')
      WHERE waiter_ms > 0 FOR UPDATE OF q SKIP LOCKED
    ) AS mine WHERE p.key = mine.key AND p.owner = mine.owner;
  SELECT string_agg(holdfast.beat_of(decode(a.key, 'hex'), decode(a.owner, 'hex'), waiter_ms > 0), ' ' ORDER BY a.n) INTO answer
    FROM unnest(asked_keys, asked_owners) WITH ORDINALITY AS a (key, owner, n);
  RETURN answer;
END $$;

-- Like wait_of(). But if nobody holds the key, the head of the queue should have asked. The others then look too, once with each report:
-- if the clock was set back, the place of a dead waiter lives on.
CREATE OR REPLACE FUNCTION holdfast.beat_of(k bytea, o bytea, is_beat boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  answer text := holdfast.wait_of(k, o);
BEGIN
  IF answer = '-' AND is_beat AND coalesce(holdfast.free_in(k), 0) = 0 THEN RETURN '0'; END IF;
  RETURN coalesce(answer, 'x');
END $$;

-- Inside a transaction of the caller: nobody else is granted the key until that transaction ends, even if the lease ends before. The
-- number of the transaction lets the caller check that it is in one. The session is the caller's, with the settings of the caller.
CREATE OR REPLACE FUNCTION holdfast.pin(asked_key text, asker text)
RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  k bytea := decode(asked_key, 'hex');
  o bytea := decode(asker, 'hex');
  is_current boolean := current_setting('transaction_isolation') LIKE 'read%';
  until timestamptz;
BEGIN
  SELECT l.expires_at INTO until FROM holdfast.lock l WHERE l.key = k AND l.owner = o FOR KEY SHARE;
  IF NOT FOUND THEN
    SELECT h.expires_at INTO until FROM holdfast.holder h WHERE h.key = k AND h.owner = o FOR KEY SHARE;
  END IF;
  IF until IS NULL THEN RETURN CASE WHEN is_current THEN 'lost' ELSE 'unseen' END; END IF;
  -- Only now may the clock be read. A snapshot may be older than the last renewal, but not than a take-over: locking the row would then fail.
  IF is_current AND until <= clock_timestamp() THEN RETURN 'lost'; END IF;
  RETURN 'pinned ' || pg_current_xact_id()::text;
END $$;

CREATE OR REPLACE FUNCTION holdfast.inspect(asked_key text) RETURNS text LANGUAGE sql AS $$
  WITH holds AS (
    SELECT l.owner, l.expires_at, l.token, l.units, 0 AS since, l.granted_at FROM holdfast.lock l
      WHERE l.key = decode(asked_key, 'hex') AND l.owner IS NOT NULL AND l.expires_at > clock_timestamp()
    UNION ALL
    SELECT h.owner, h.expires_at, h.token, h.units, h.since, h.granted_at FROM holdfast.holder h
      WHERE h.key = decode(asked_key, 'hex') AND h.expires_at > clock_timestamp()
  )
  SELECT coalesce((
    SELECT concat_ws(' ', 'held', encode(h.owner, 'hex'), extract(epoch FROM h.expires_at - clock_timestamp()) * 1000, h.token,
      h.units, (SELECT l.units FROM holdfast.lock l WHERE l.key = decode(asked_key, 'hex')), (SELECT count(*) FROM holds),
      (SELECT count(*) FROM holdfast.place p WHERE p.key = decode(asked_key, 'hex') AND p.alive_until > clock_timestamp()),
      extract(epoch FROM h.granted_at) * 1000)
    FROM holds h ORDER BY h.since LIMIT 1
  ), 'free');
$$;

-- Up to 1,000 keys that are held, after this one.
CREATE OR REPLACE FUNCTION holdfast.held_keys(after text) RETURNS text LANGUAGE sql AS $$
  SELECT coalesce(string_agg(encode(page.key, 'hex'), ' ' ORDER BY page.key), '') FROM (
    SELECT l.key FROM holdfast.lock l
    WHERE l.key > decode(after, 'hex') AND (l.expires_at > clock_timestamp() AND l.owner IS NOT NULL OR EXISTS (
      SELECT FROM holdfast.holder h WHERE h.key = l.key AND h.expires_at > clock_timestamp()))
    ORDER BY l.key LIMIT 1000
  ) AS page;
$$;

-- Deletes what crashed processes left under keys that nobody requests any more. Answers how many keys it has freed.
CREATE OR REPLACE FUNCTION holdfast.sweep() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  k bytea;
  freed bigint := 0;
BEGIN
  PERFORM holdfast.begin_step();
  FOR k IN SELECT l.key FROM holdfast.lock l WHERE l.owner IS NULL OR l.expires_at <= clock_timestamp() ORDER BY l.key LOOP
    PERFORM FROM holdfast.lock l WHERE l.key = k FOR NO KEY UPDATE SKIP LOCKED;
    IF FOUND AND holdfast.settle(k, NULL) = 0 THEN
      DELETE FROM holdfast.lock l WHERE l.key = k;
      freed := freed + 1;
    END IF;
  END LOOP;
  RETURN freed;
END $$;

-- For people: who holds what, since when and how.
CREATE OR REPLACE VIEW holdfast.held AS
  WITH holds AS (
    SELECT l.key, l.owner, 'exclusive' AS mode, NULL::bigint AS permits, l.granted_at, l.expires_at, l.token FROM holdfast.lock l
      WHERE l.owner IS NOT NULL AND l.expires_at > clock_timestamp()
    UNION ALL
    SELECT h.key, h.owner, CASE l.units WHEN 4611686018427387904 THEN 'shared' ELSE 'permits of ' || l.units END,
      CASE l.units WHEN 4611686018427387904 THEN NULL ELSE h.units END, h.granted_at, h.expires_at, h.token
      FROM holdfast.holder h JOIN holdfast.lock l USING (key) WHERE h.expires_at > clock_timestamp()
  )
  SELECT CASE WHEN position(decode('00', 'hex') IN s.key) = 0 AND getdatabaseencoding() = 'UTF8' THEN convert_from(s.key, 'UTF8')
      ELSE encode(s.key, 'escape') END AS key,
    regexp_replace(encode(s.owner, 'escape'), '(~[0-9-]+T[0-9:]+Z)?~[0-9a-f]{32}$', '') AS holder,
    s.mode, s.permits, s.granted_at AS since, s.expires_at, s.token,
    (SELECT count(*) FROM holdfast.place p WHERE p.key = s.key AND p.alive_until > clock_timestamp()) AS waiting
  FROM holds s;
`;
