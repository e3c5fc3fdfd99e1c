import type { AcquireOutcome, Capabilities, LockAdapter } from '@holdfast/lock-core';

export interface Row {
  owner: string;
  token: bigint;
  tokens: number;
  expiresAt: number;
}

/** The simplest backend: rows by key. Every bug of the mutants is a wrong way to read or write it. */
export interface Table {
  readonly rows: Map<string, Row>;
  lastToken: bigint;
}

export const newTable = (): Table => ({ rows: new Map(), lastToken: 0n });

export const tableCapabilities: Capabilities = {
  fencing: true,
  fairness: 'none',
  expiry: 'ttl',
  wakeup: 'poll',
  survivesFailover: true,
  crossProcess: false,
  ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: 10 },
};

export const sessionCapabilities: Capabilities = { ...tableCapabilities, expiry: 'session' };

const perPage = 64;

export const now = (): number => performance.now();

/** The row of a key, unless it has expired. */
export function liveRow(table: Table, key: string): Row | undefined {
  const row = table.rows.get(key);
  return row && row.expiresAt > now() ? row : undefined;
}

export function insert(table: Table, key: string, owner: string, ttlMs: number, tokens = 1): AcquireOutcome {
  const row: Row = { owner, token: table.lastToken + 1n, tokens, expiresAt: now() + ttlMs };
  table.lastToken += BigInt(tokens);
  table.rows.set(key, row);
  return { status: 'granted', fencingToken: row.token, tokens, validForMs: ttlMs };
}

/** A correct adapter without wake-ups or queue, which the suite must pass; the mutants override one of its methods. */
export function tableAdapter(table: Table): LockAdapter {
  const adapter: LockAdapter = {
    name: 'table',
    capabilities: tableCapabilities,
    async tryAcquire({ key, owner, ttlMs, tokens }) {
      const row = liveRow(table, key);
      if (!row) return insert(table, key, owner, ttlMs, tokens);
      if (row.owner !== owner) return { status: 'busy', retryAfterMs: row.expiresAt - now() };
      row.expiresAt = Math.max(row.expiresAt, now() + ttlMs);
      return { status: 'granted', fencingToken: row.token, tokens: row.tokens, validForMs: ttlMs };
    },
    async renew({ key, owner }, ttlMs) {
      const row = liveRow(table, key);
      if (row?.owner !== owner) return { status: 'lost' };
      row.expiresAt = now() + ttlMs;
      return { status: 'renewed', validForMs: ttlMs };
    },
    async release({ key, owner }) {
      if (liveRow(table, key)?.owner !== owner) return 'not-held';
      table.rows.delete(key);
      return 'released';
    },
    renewMany: (holds, ttlMs) => Promise.all(holds.map((hold) => adapter.renew(hold, ttlMs))),
    async inspect(key) {
      const row = liveRow(table, key);
      if (!row) return undefined;
      const { owner, token, expiresAt } = row;
      return { key, owner, remainingMs: expiresAt - now(), fencingToken: token, waiters: undefined };
    },
    async keys(after = '') {
      const rest = [...table.rows.keys()].filter((key) => key > after).sort();
      const keys = rest.slice(0, perPage);
      return { keys, next: rest.length > perPage ? keys.at(-1) : undefined };
    },
    async forceRelease(key) {
      const held = liveRow(table, key) !== undefined;
      table.rows.delete(key);
      return held;
    },
  };
  return adapter;
}

/** The same backend, but a hold ends with its session: never by itself, only by `revoke`. */
export function sessionAdapter(table: Table): LockAdapter {
  const right = tableAdapter(table);
  const endless = (key: string) => {
    const row = table.rows.get(key);
    if (row) row.expiresAt = Number.POSITIVE_INFINITY;
  };
  return {
    ...right,
    capabilities: sessionCapabilities,
    async tryAcquire(attempt) {
      const outcome = await right.tryAcquire(attempt);
      endless(attempt.key);
      return outcome.status === 'busy' ? { status: 'busy' } : outcome;
    },
    async renew(hold, ttlMs) {
      const outcome = await right.renew(hold, ttlMs);
      endless(hold.key);
      return outcome;
    },
    renewMany: undefined,
    async inspect(key) {
      const info = await right.inspect?.(key);
      return info && { ...info, remainingMs: undefined };
    },
  };
}
