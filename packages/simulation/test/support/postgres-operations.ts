import { endSql, takeSql } from '../../../adapter-postgres/src/sql/fast.ts';
import type { Random } from '../../src/random.ts';

const whole = String(2n ** 62n);
const keys = ['aa', 'ab00', 'ff'];
const owners = ['01', '02', '03', '04', '05', 'f00d'];
const channels = ['', 'ch', 'other'];

/** A statement with parameters, which are texts. */
export interface Operation {
  readonly sql: string;
  readonly values: readonly (string | null)[];
}

const operation = (sql: string, ...values: (string | number | null)[]): Operation => ({
  sql,
  values: values.map((value) => (value === null ? null : String(value))),
});

/** A statement with its parameters in it. */
export const filled = ({ sql, values }: Operation): string =>
  values.reduce<string>(
    (filling, value, i) => filling.replaceAll(`$${i + 1}::`, () => (value === null ? 'NULL::' : `'${value}'::`)),
    sql,
  );

const list = (values: readonly string[]): string => `{${values.join(',')}}`;

/** How a request would use a key: what it wants of how much. */
function drawUnits(random: Random): [string, string] {
  const kind = random.next();
  if (kind < 0.45) return [whole, whole];
  if (kind < 0.75) return ['1', whole];
  const limit = random.pick([1, 3, 3, 3, 4]);
  return [String(random.int(1, limit)), String(limit)];
}

const askSql = `SELECT holdfast.ask($1::text, $2::text, $3::text::bigint, $4::text::bigint, $5::text::float8, $6::text::integer,
  $7::text::float8, $8::text)`;

/** One statement of the protocol, with leases from shorter than a step of the clock to longer than the test. */
export function drawCall(random: Random): Operation {
  const [key, owner] = [random.pick(keys), random.pick(owners)];
  const leaseMs = random.pick([1, 7.5, 40, 300, 5_000, 60_000]);
  const kind = random.next();
  if (kind < 0.45) {
    const [wanted, all] = drawUnits(random);
    const terms = [
      leaseMs,
      random.pick([1, 1, 5, 70_000]),
      random.pick([0, 0, 30, 5_000, 5_000]),
      random.pick(channels),
    ];
    if (wanted === whole && random.chance(0.5)) return operation(takeSql, key, owner, ...terms.slice(0, 2));
    return operation(askSql, key, owner, wanted, all, ...terms);
  }
  if (kind < 0.53) return operation(endSql, key, owner);
  if (kind < 0.62) return operation('SELECT holdfast.release($1::text, $2::text)', key, owner);
  if (kind < 0.66)
    return operation('SELECT holdfast.force($1::text, $2::text)', key, random.chance(0.5) ? owner : null);
  const count = random.int(1, 4);
  const some = list(Array.from({ length: count }, () => random.pick(keys)));
  const asked = list(Array.from({ length: count }, () => random.pick(owners)));
  const many = '$1::text::text[], $2::text::text[], $3::text::float8';
  if (kind < 0.75) return operation(`SELECT holdfast.renew(${many})`, some, asked, leaseMs);
  if (kind < 0.8) return operation(`SELECT holdfast.beat(${many})`, some, asked, random.pick([0, 30, 5_000]));
  if (kind < 0.85)
    return operation('SELECT holdfast.downgrade($1::text, $2::text, $3::text::float8)', key, owner, leaseMs);
  if (kind < 0.92) return operation('SELECT holdfast.inspect($1::text)', key);
  if (kind < 0.95) return operation('SELECT holdfast.held_keys($1::text)', random.pick(['', 'aa', 'ff']));
  return operation(kind < 0.97 ? 'SELECT holdfast.sweep()' : random.pick(tables));
}

/** What is in the tables, without what only the model or only the server knows. */
export const tables: readonly string[] = [
  `SELECT encode(t.key, 'hex'), encode(t.owner, 'hex'), extract(epoch FROM t.expires_at), t.token, t.tokens, t.units, t.crowded
     FROM holdfast.lock t ORDER BY t.key`,
  `SELECT encode(t.key, 'hex'), encode(t.owner, 'hex'), extract(epoch FROM t.expires_at), t.token, t.tokens, t.units, t.since
     FROM holdfast.holder t ORDER BY t.key, t.owner`,
  `SELECT encode(t.key, 'hex'), encode(t.owner, 'hex'), t.ticket, extract(epoch FROM t.alive_until), t.ttl_ms, t.tokens, t.units, t.channel
     FROM holdfast.place t ORDER BY t.key, t.owner`,
];

const row = (key: string): string => `decode('${key}', 'hex')`;

/** Puts a row there for a transaction to change, as it is looked for. */
export const first: Operation = operation(
  `INSERT INTO holdfast.lock AS l VALUES (${row('aa')}, ${row('01')}, 'epoch', 0, 1, 3, false)
     ON CONFLICT (key) DO UPDATE SET tokens = 1`,
);

const strengths = ['KEY SHARE', 'SHARE', 'NO KEY UPDATE', 'UPDATE'];

/** How strongly rows are locked, and what happens where they are locked already. */
function drawLock(random: Random): string {
  const strength = random.pick(strengths);
  // The server follows a row that was changed to its new version, and waits there whatever it is told.
  const policy = strength === 'KEY SHARE' ? '' : random.pick(['', '', ' SKIP LOCKED', ' NOWAIT']);
  return `FOR ${strength}${policy}`;
}

/** What can be done to one row; mostly only while it is as `first` has left it. */
function drawOnRow(random: Random, key: string): { select: Operation; remove: Operation; update: Operation } {
  // Also what has just been changed to something that is no longer meant.
  const few = random.pick(['', ' AND l.tokens < 2', ' AND l.tokens < 2']);
  const own = `FROM holdfast.lock l WHERE l.key = ${row(key)}${few}`;
  return {
    select: operation(`SELECT encode(l.owner, 'hex') ${own} ${drawLock(random)}`),
    remove: operation(`DELETE ${own} RETURNING encode(l.owner, 'hex'), l.tokens`),
    update: operation(
      `UPDATE holdfast.lock l SET tokens = l.tokens + 1 WHERE l.key = ${row(key)}${few} RETURNING l.tokens`,
    ),
  };
}

/** The server tells the same only once in a transaction. */
const drawNotices = (random: Random): Operation =>
  operation(
    'SELECT pg_notify($1::text, $2::text), pg_notify($3::text, $4::text)',
    ...Array.from({ length: 2 }, () => [random.pick(['ch', 'ch', 'other']), random.pick(['01', '02'])]).flat(),
  );

/** Something that a transaction does and that others may have to wait for, or that waits for others. */
export function drawLocking(random: Random): Operation {
  // Few keys, so that both sessions often mean the same row.
  const key = random.pick(['aa', 'aa', 'aa', 'ff']);
  const owner = random.pick(owners);
  const [asLock, asHolder] = [
    `${row(key)}, ${row(owner)}, 'epoch', 0, 1, 3, false`,
    `${row(key)}, ${row(owner)}, 'epoch', 0, 0, 1, 1`,
  ];
  const { select, remove, update } = drawOnRow(random, key);
  const insert = operation(`INSERT INTO holdfast.lock VALUES (${asLock}) ON CONFLICT (key) DO NOTHING RETURNING units`);
  const [take, end] = [operation(takeSql, key, owner, 5_000, 1), operation(endSql, key, owner)];
  const others = [
    operation(`INSERT INTO holdfast.holder VALUES (${asHolder})`),
    operation(`SELECT l.tokens FROM holdfast.lock l WHERE l.tokens < 2 ORDER BY l.key LIMIT 2 ${drawLock(random)}`),
    operation(`SELECT CASE WHEN holdfast.pin('${key}', '${owner}') LIKE 'pinned%' THEN 'pinned' ELSE 'lost' END`),
    drawNotices(random),
    drawCall(random),
  ];
  return random.pick([select, select, remove, remove, insert, update, update, take, end, random.pick(others)]);
}

/** What a transaction does to the row of `first`, what another session then wants of it, and what the transaction does meanwhile. */
export function drawConflict(random: Random): { held: Operation; wanted: Operation; meanwhile: Operation | undefined } {
  const [before, after, beside] = [drawOnRow(random, 'aa'), drawOnRow(random, 'aa'), drawOnRow(random, 'aa')];
  return {
    held: random.pick([before.select, before.select, before.update, before.remove, drawNotices(random)]),
    wanted: random.pick([after.select, after.select, after.select, after.update, after.remove]),
    meanwhile: random.pick([undefined, beside.update, beside.remove, drawNotices(random)]),
  };
}
