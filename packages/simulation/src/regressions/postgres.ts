import { patch, type Regression } from './regression.ts';

const inAdapter = (file: string, find: string, replace: string) => patch(`adapter-postgres/${file}`, find, replace);

const regression = (name: string, ...patches: Regression['patches']): Regression => ({
  ...{ name: `PostgreSQL: ${name}`, backends: ['postgres'], patches },
});

/** Faults of the adapter for PostgreSQL, most of them in its SQL. */
export const postgresRegressions: readonly Regression[] = [
  regression(
    'a take-over does not wait for the transaction that has pinned the hold',
    inAdapter(
      'sql/grants.ts',
      'PERFORM FROM holdfast.lock l WHERE l.key = k FOR UPDATE SKIP LOCKED;\n  RETURN FOUND;',
      'RETURN true;',
    ),
  ),
  regression(
    'a transaction sees that it holds, and pins nothing',
    inAdapter(
      'sql/upkeep.ts',
      'FROM holdfast.lock l WHERE l.key = k AND l.owner = o FOR KEY SHARE;',
      'FROM holdfast.lock l WHERE l.key = k AND l.owner = o;',
    ),
  ),
  regression(
    'a shared hold is not pinned',
    inAdapter(
      'sql/upkeep.ts',
      'FROM holdfast.holder h WHERE h.key = k AND h.owner = o FOR KEY SHARE;',
      'FROM holdfast.holder h WHERE h.key = k AND h.owner = o;',
    ),
  ),
  regression(
    'a release does not look whose lock it is',
    inAdapter('sql/fast.ts', "AND t.owner = decode($2::text, 'hex') AND NOT t.crowded", 'AND NOT t.crowded'),
  ),
  {
    ...regression(
      'a grant is told to nobody',
      inAdapter('sql/grants.ts', "PERFORM pg_notify(p.channel, encode(p.owner, 'hex'));", 'NULL;'),
    ),
    inClaims: true,
  },
  regression(
    'the queue is in no order',
    inAdapter('sql/grants.ts', 'ORDER BY t.ticket LIMIT 1 FOR UPDATE', 'ORDER BY t.owner LIMIT 1 FOR UPDATE'),
  ),
  regression(
    'permits that have expired are counted',
    inAdapter('sql/grants.ts', 'AND x.expires_at <= clock_timestamp() FOR UPDATE SKIP', 'AND false FOR UPDATE SKIP'),
  ),
  {
    ...regression(
      'a reader is admitted past a writer that waits',
      inAdapter('sql/steps.ts', 'AND NOT EXISTS (SELECT FROM holdfast.place p WHERE p.key = k) THEN', 'THEN'),
    ),
    inClaims: true,
  },
  regression(
    'a holder whose answer was lost is told that the key is busy',
    inAdapter(
      'sql/steps.ts',
      "WHERE l.key = k AND l.owner = o AND l.expires_at > clock_timestamp()\n    RETURNING 'granted '",
      "WHERE l.key = k AND l.owner = o AND false\n    RETURNING 'granted '",
    ),
  ),
  regression(
    'the timer of a waiter that has gone is set again',
    inAdapter('queue.ts', 'place.wake(); // the answer to a report in flight must not set its timer again', ''),
  ),
  regression(
    'the tables forget with a crash',
    inAdapter(
      'sql/tables.ts',
      'CREATE TABLE IF NOT EXISTS holdfast.lock',
      'CREATE UNLOGGED TABLE IF NOT EXISTS holdfast.lock',
    ),
  ),
];
