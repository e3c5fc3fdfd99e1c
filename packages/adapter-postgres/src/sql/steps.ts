/** The steps: each is one statement, and one transaction. Keys and owners are in hexadecimal, so that every driver passes them unchanged. */
export const stepsSql = `
-- Requests the key; with a waiter lease above 0, takes a place in the queue if the key cannot be granted. If the holder asks again, it
-- is granted with the same tokens and the longer lease (H113). If a waiter asks again, it keeps its place.
CREATE OR REPLACE FUNCTION holdfast.ask(
  asked_key text, asker text, wanted_units bigint, all_units bigint, lease_ms double precision, wanted_tokens integer,
  waiter_ms double precision, waiter_channel text
) RETURNS text LANGUAGE plpgsql SET lock_timeout = '5s' AS $$
DECLARE
  k bytea := decode(asked_key, 'hex');
  o bytea := decode(asker, 'hex');
  l holdfast.lock;
  taken bigint;
  answer text;
BEGIN
  PERFORM holdfast.begin_step();
  IF waiter_ms = 0 THEN
    -- A look without a lock: a request that only finds the key held writes nothing and blocks nobody.
    SELECT * INTO l FROM holdfast.lock t WHERE t.key = k;
    IF l.owner <> o AND l.expires_at > clock_timestamp() AND l.units = all_units THEN
      RETURN 'busy ' || holdfast.free_in(k);
    END IF;
  END IF;
  LOOP
    INSERT INTO holdfast.lock VALUES (k, NULL, NULL, 0, 0, all_units, false) ON CONFLICT (key) DO NOTHING;
    IF FOUND THEN
      -- Nobody holds the key, and nobody waits for it.
      SELECT 'granted ' || g.first_token || ' ' || g.got_tokens INTO answer
        FROM holdfast.give(k, o, wanted_units, all_units, lease_ms, wanted_tokens) g;
      RETURN answer;
    END IF;
    -- From here on, nobody else decides about this key. Only now may the clock be read.
    SELECT * INTO l FROM holdfast.lock t WHERE t.key = k FOR NO KEY UPDATE;
    EXIT WHEN FOUND; -- else it was released just now
  END LOOP;

  answer := holdfast.claim(k, o, lease_ms);
  IF answer IS NOT NULL THEN RETURN answer; END IF;
  -- A request that takes no place does not change the place that its owner may already have.
  IF l.crowded AND waiter_ms > 0 THEN
    UPDATE holdfast.place p SET alive_until = clock_timestamp() + waiter_ms * interval '1 millisecond'
      WHERE p.key = k AND p.owner = o;
  END IF;
  taken := holdfast.settle(k, o);
  answer := holdfast.claim(k, o, lease_ms);
  IF answer IS NOT NULL THEN RETURN answer; END IF;
  IF taken > 0 AND l.units <> all_units THEN RETURN 'refused ' || l.units; END IF;
  IF taken = 0
    OR wanted_units <= all_units - taken AND NOT EXISTS (SELECT FROM holdfast.place p WHERE p.key = k) THEN
    SELECT 'granted ' || g.first_token || ' ' || g.got_tokens INTO answer
      FROM holdfast.give(k, o, wanted_units, all_units, lease_ms, wanted_tokens) g;
    RETURN answer;
  END IF;
  IF waiter_ms = 0 THEN RETURN 'busy ' || coalesce(holdfast.free_in(k), 0); END IF;
  INSERT INTO holdfast.place
    SELECT k, o, coalesce(max(p.ticket), 0) + 1, clock_timestamp() + waiter_ms * interval '1 millisecond', lease_ms,
      wanted_tokens, wanted_units, waiter_channel
    FROM holdfast.place p WHERE p.key = k
    ON CONFLICT (key, owner) DO NOTHING;
  UPDATE holdfast.lock t SET crowded = true WHERE t.key = k AND NOT t.crowded;
  RETURN 'queued ' || holdfast.wait_of(k, o);
END $$;

-- If this owner has a hold, sets its lease to the longer of the current lease and a new one.
CREATE OR REPLACE FUNCTION holdfast.claim(k bytea, o bytea, lease_ms double precision) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  answer text;
BEGIN
  UPDATE holdfast.lock l
    SET expires_at = greatest(l.expires_at, clock_timestamp() + lease_ms * interval '1 millisecond')
    WHERE l.key = k AND l.owner = o AND l.expires_at > clock_timestamp()
    RETURNING 'granted ' || l.token || ' ' || l.tokens INTO answer;
  IF answer IS NULL THEN
    UPDATE holdfast.holder h
      SET expires_at = greatest(h.expires_at, clock_timestamp() + lease_ms * interval '1 millisecond')
      WHERE h.key = k AND h.owner = o AND h.expires_at > clock_timestamp()
      RETURNING 'granted ' || h.token || ' ' || h.tokens INTO answer;
  END IF;
  RETURN answer;
END $$;

-- How long a waiter may sleep, in ms, before it looks by itself: the head of the queue until the key may become free; '-' for the others.
CREATE OR REPLACE FUNCTION holdfast.wait_of(k bytea, o bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT CASE WHEN EXISTS (
      SELECT FROM holdfast.place q WHERE q.key = p.key AND q.ticket < p.ticket AND q.alive_until > clock_timestamp()
    ) THEN '-' WHEN EXISTS (
      -- A dead waiter was ahead of it. Without that one, it may be compatible with the holders.
      SELECT FROM holdfast.place q WHERE q.key = p.key AND q.ticket < p.ticket
    ) THEN '0' ELSE coalesce(holdfast.free_in(k), 0)::text END
  FROM holdfast.place p WHERE p.key = k AND p.owner = o);
END $$;

-- Ends the hold of this owner, or its place in the queue. A hold that a transaction has pinned ends with that transaction.
CREATE OR REPLACE FUNCTION holdfast.release(asked_key text, asker text)
RETURNS text LANGUAGE plpgsql SET lock_timeout = '5s' AS $$
DECLARE
  k bytea := decode(asked_key, 'hex');
  o bytea := decode(asker, 'hex');
  l holdfast.lock;
  h holdfast.holder;
  is_alone boolean;
  was_held boolean := false;
BEGIN
  PERFORM holdfast.begin_step();
  SELECT * INTO l FROM holdfast.lock t WHERE t.key = k FOR UPDATE SKIP LOCKED;
  is_alone := FOUND;
  IF NOT is_alone THEN
    SELECT * INTO l FROM holdfast.lock t WHERE t.key = k FOR NO KEY UPDATE;
    IF NOT FOUND THEN RETURN 'not-held'; END IF;
  END IF;
  IF l.owner = o THEN
    was_held := l.expires_at > clock_timestamp();
    IF is_alone OR holdfast.is_unpinned(k) THEN
      UPDATE holdfast.lock t SET owner = NULL WHERE t.key = k AND l.crowded;
    ELSE
      UPDATE holdfast.lock t SET expires_at = 'epoch' WHERE t.key = k;
      RETURN CASE WHEN was_held THEN 'released' ELSE 'not-held' END;
    END IF;
  ELSIF l.crowded THEN
    SELECT * INTO h FROM holdfast.holder t WHERE t.key = k AND t.owner = o;
    IF FOUND THEN
      was_held := h.expires_at > clock_timestamp();
      UPDATE holdfast.holder t SET expires_at = 'epoch' WHERE t.key = k AND t.owner = o; -- settle() drops it
    END IF;
    DELETE FROM holdfast.place p WHERE p.key = k AND p.owner = o;
  ELSE
    RETURN 'not-held';
  END IF;
  IF NOT l.crowded OR holdfast.settle(k, NULL) = 0 THEN
    DELETE FROM holdfast.lock t WHERE t.key = k;
  END IF;
  RETURN CASE WHEN was_held THEN 'released' ELSE 'not-held' END;
END $$;

-- Frees the key from the holder with this ID or, without an ID, from all holders.
CREATE OR REPLACE FUNCTION holdfast.force(asked_key text, asker text)
RETURNS text LANGUAGE plpgsql SET lock_timeout = '5s' AS $$
DECLARE
  k bytea := decode(asked_key, 'hex');
  held bytea;
  answer text := 'not-held';
BEGIN
  PERFORM holdfast.begin_step();
  PERFORM FROM holdfast.lock l WHERE l.key = k FOR NO KEY UPDATE;
  FOR held IN
    SELECT l.owner FROM holdfast.lock l WHERE l.key = k AND l.owner IS NOT NULL
    UNION ALL SELECT h.owner FROM holdfast.holder h WHERE h.key = k
  LOOP
    IF (asker IS NULL OR held = decode(asker, 'hex')) AND holdfast.release(asked_key, encode(held, 'hex')) = 'released' THEN
      answer := 'released';
    END IF;
  END LOOP;
  RETURN answer;
END $$;
`;
