import { randomBytes } from 'node:crypto';
import type {
  AcquireAttempt,
  AcquireOutcome,
  Capabilities,
  HoldRef,
  InspectedLock,
  KeysPage,
  LockAdapter,
  RenewOutcome,
} from '@holdfast/lock-core';
import { readAsked, readInspected, readRenewed, readWord, wordsOf } from './answers.ts';
import { assertIn } from './assert-in.ts';
import { type Backend, createBackend } from './backend.ts';
import { isExclusive, mismatch, modeOf, unitsOf } from './claim.ts';
import { type PostgresLockOptions, settingsOf } from './options.ts';
import { type Ask, grantOf, Queue } from './queue.ts';
import { fromHex, hex, hexArray } from './statements.ts';

/**
 * Creates a lock adapter for PostgreSQL 13 or newer. Leases are rows, measured on the clock of the server, and each request is one
 * statement. The adapter opens its own connections when they are needed and closes them in `close`. `holdfast setup` or
 * `createLockSchema` creates the tables.
 *
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid option. Its calls reject with LOCK_BACKEND, with `retryable` false, if the
 * database refuses, such as for missing tables, missing rights or a wrong password.
 */
export function postgresAdapter(options: PostgresLockOptions = {}): PostgresLockAdapter {
  const settings = settingsOf(options);
  const { driver } = settings;
  const backend = createBackend(settings);
  const { statements, step } = backend;
  const release = (key: string, owner: string): Promise<unknown> =>
    step(statements.release, [hex(key), hex(owner)], { key });
  const ask = askOf(backend);
  const queue = new Queue(backend, driver, randomBytes(16).toString('hex'), ask, release);
  let closing: Promise<void> | undefined;

  return {
    name: 'postgres',
    capabilities: capabilitiesOf(driver.listen !== undefined, driver.crossProcess, settings.survivesFailover),
    localRunCount: 512,
    tryAcquire: sharingUnsent((attempt, onSend) => tryAcquire(ask, attempt, onSend)),
    enqueue: (attempt, signal) => queue.enqueue(attempt, signal),
    async renew(hold, ttlMs) {
      const [outcome] = await renewMany(backend, [hold], ttlMs);
      return outcome!;
    },
    renewMany: (holds, ttlMs) => renewMany(backend, holds, ttlMs),
    async release({ key, owner }) {
      await queue.end(owner);
      return readWord(await release(key, owner), ['released', 'not-held']);
    },
    async downgrade({ key, owner }, ttlMs) {
      const answer = await step(statements.downgrade, [hex(key), hex(owner), String(ttlMs)], { key });
      return renewed(readWord(answer, ['renewed', 'lost']) === 'renewed', ttlMs);
    },
    async forceRelease(key: string, owner?: string) {
      const answer = await step(statements.force, [hex(key), owner === undefined ? null : hex(owner)], { key });
      return readWord(answer, ['released', 'not-held']) === 'released';
    },
    inspect: (key) => inspect(backend, key),
    keys: (cursor) => keysPage(backend, cursor),
    assertIn: (hold, client) => assertIn(statements, hold, client),
    close() {
      closing ??= (async () => {
        queue.close();
        await driver.close();
      })();
      return closing;
    },
  };
}

/** A `LockAdapter` that can also pin a hold inside the caller's own transaction. */
export interface PostgresLockAdapter extends LockAdapter {
  assertIn(hold: HoldRef, client: unknown): Promise<void>;
}

function capabilitiesOf(listens: boolean, crossProcess: boolean, survivesFailover: boolean): Capabilities {
  return {
    fencing: true,
    fairness: 'fifo',
    expiry: 'ttl',
    wakeup: listens ? 'push' : 'poll',
    // Replication is asynchronous unless the server is told otherwise: a promoted standby may not know the last grant.
    survivesFailover,
    crossProcess,
    shared: true,
    permits: true,
    ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: listens ? 50 : 150 },
  };
}

/** Requests a lock. @throws LockError LOCK_INVALID_ARGUMENT if the key is in use with another limit */
function askOf({ statements, step }: Backend): Ask {
  return async (attempt, { leaseMs, channel, isQueued, wanted }, onSend) => {
    const { key, owner, ttlMs, tokens, claim } = attempt;
    const units = unitsOf(claim);
    const more = { key, locks: true, wanted, onSend };
    const [who, terms] = [
      [hex(key), hex(owner)],
      [ttlMs, tokens, leaseMs, channel],
    ];
    const answer =
      isExclusive(units) && !isQueued
        ? step(statements.take, [...who, ...terms].map(String), more)
        : step(statements.ask, [...who, units.wanted, units.all, ...terms].map(String), more);
    const asked = readAsked(await answer);
    if (asked.status === 'refused') throw mismatch(key, units, asked.units);
    return asked;
  };
}

async function tryAcquire(ask: Ask, attempt: AcquireAttempt, onSend: () => void): Promise<AcquireOutcome> {
  const asked = await ask(attempt, { leaseMs: 0, channel: '', isQueued: false, wanted: attempt }, onSend);
  // The lease of the row began after this was called (H47).
  if (asked.status === 'granted') return grantOf(asked, attempt.ttlMs);
  return { status: 'busy', retryAfterMs: asked.status === 'busy' ? asked.waitMs : undefined };
}

/**
 * A request that waits for a connection is not repeated: otherwise, each time-out would add one more to a queue that is already too long.
 * The lease begins after both calls in any case.
 */
function sharingUnsent(
  send: (attempt: AcquireAttempt, onSend: () => void) => Promise<AcquireOutcome>,
): LockAdapter['tryAcquire'] {
  const unsent = new Map<string, { signal: AbortSignal; outcome: Promise<AcquireOutcome> }>();
  return (attempt) => {
    const { key, owner, ttlMs, signal } = attempt;
    const id = JSON.stringify([key, owner, ttlMs]);
    const waiting = unsent.get(id);
    if (waiting?.signal === signal) return waiting.outcome;
    const outcome = send(attempt, () => unsent.delete(id));
    unsent.set(id, { signal, outcome });
    const forget = (): void => {
      if (unsent.get(id)?.outcome === outcome) unsent.delete(id);
    };
    outcome.then(forget, forget);
    return outcome;
  };
}

const renewed = (isRenewed: boolean, ttlMs: number): RenewOutcome =>
  isRenewed ? { status: 'renewed', validForMs: ttlMs } : { status: 'lost' };

async function renewMany(
  { statements, step }: Backend,
  holds: readonly HoldRef[],
  ttlMs: number,
): Promise<RenewOutcome[]> {
  if (holds.length === 0) return [];
  const keys = hexArray(holds.map(({ key }) => key));
  const owners = hexArray(holds.map(({ owner }) => owner));
  const answer = await step(statements.renew, [keys, owners, String(ttlMs)], { key: holds[0]?.key });
  return readRenewed(answer, holds.length).map((each) => renewed(each, ttlMs));
}

async function inspect({ statements, step }: Backend, key: string): Promise<InspectedLock | undefined> {
  const found = readInspected(await step(statements.inspect, [hex(key)], { key }));
  if (found === undefined) return undefined;
  const { remainingMs, token, units, all, holders, waiters, grantedAt } = found;
  const mode = modeOf(units, all);
  const limit = mode === 'permits' ? Number(all) : undefined;
  const since = new Date(Math.floor(grantedAt));
  return { key, owner: fromHex(found.owner), remainingMs, fencingToken: token, waiters, mode, holders, limit, since };
}

async function keysPage({ statements, step }: Backend, cursor = ''): Promise<KeysPage> {
  const keys = wordsOf(await step(statements.keys, [cursor])).filter((word) => word !== '');
  return { keys: keys.map(fromHex), next: keys.length < 1_000 ? undefined : keys.at(-1) };
}
