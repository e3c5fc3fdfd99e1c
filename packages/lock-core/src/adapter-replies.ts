import { isLockError, LockError, refuse } from './errors.ts';
import type {
  AcquireOutcome,
  Capabilities,
  Granted,
  InspectedLock,
  KeysPage,
  LockAdapter,
  RenewOutcome,
} from './lock-adapter.ts';

/**
 * The boundary to the adapters: what they answer is external data. Each function returns a reply of the declared shape, or
 * throws LOCK_BACKEND, not retryable, with the adapter and the value. A reply of no shape says nothing about the lock, so
 * whoever catches the error has to treat the outcome as unknown.
 */

type Fields = Readonly<Record<string, unknown>>;

/** The value as it is shown in a message: short, and never an exception. */
function shown(value: unknown): string {
  try {
    const text = typeof value === 'string' ? JSON.stringify(value) : describe(value);
    return text.length > 120 ? `${text.slice(0, 120)}…` : text;
  } catch {
    return `a value of type ${typeof value}`;
  }
}

function describe(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value !== 'object' || value === null) return String(value);
  return JSON.stringify(value, (_, field) => (typeof field === 'bigint' ? `${field}n` : field)) ?? String(value);
}

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const isFiniteNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

/**
 * Refuses anything that is not an adapter before a lock is asked of it.
 * @throws LockError LOCK_INVALID_ARGUMENT
 */
export function checkAdapter(adapter: unknown): asserts adapter is LockAdapter {
  const remedy = 'pass what an adapter package makes, such as ioredisAdapter(client) or memoryAdapter()';
  if (typeof adapter === 'string' || adapter instanceof URL) {
    refuse('createLocks takes an adapter, not a URL: openLocks of the package holdfast takes a URL');
  }
  if (typeof adapter === 'function') refuse(`createLocks takes an adapter, not a function: call it, or ${remedy}`);
  if (typeof adapter !== 'object' || adapter === null)
    refuse(`createLocks takes an adapter, not ${String(adapter)}: ${remedy}`);
  const fields = adapter as Record<string, unknown>;
  if (typeof fields.then === 'function') refuse('createLocks takes an adapter, not a promise: await it first');
  const lacking = ['tryAcquire', 'renew', 'release'].filter((method) => typeof fields[method] !== 'function');
  if (lacking.length > 0) {
    const what = typeof fields.acquire === 'function' && typeof fields.using === 'function' ? 'a Locks' : 'an adapter';
    const given =
      what === 'a Locks'
        ? 'createLocks takes an adapter, not a Locks'
        : `createLocks takes an adapter, and this object has no ${lacking.join(', no ')}`;
    refuse(`${given}: ${remedy}`);
  }
  for (const method of [
    'enqueue',
    'whenFree',
    'downgrade',
    'renewMany',
    'inspect',
    'keys',
    'forceRelease',
    'assertIn',
    'close',
  ]) {
    const member = fields[method];
    if (member !== undefined && typeof member !== 'function')
      refuse(`${method} of an adapter is a function, not ${shown(member)}`);
  }
  if (typeof fields.name !== 'string' || fields.name === '') refuse('an adapter has a name, which is not empty');
  if (typeof fields.capabilities !== 'object' || fields.capabilities === null) {
    refuse(`the adapter ${fields.name} declares no capabilities`);
  }
  const { localRunCount } = fields;
  const isCount =
    Number.isSafeInteger(localRunCount) && (localRunCount as number) >= 0 && (localRunCount as number) <= 10_000;
  if (localRunCount !== undefined && !isCount)
    refuse(
      `localRunCount of the adapter ${fields.name} is a whole number from 0 to 10,000, not ${shown(localRunCount)}`,
    );
  const { ttl, shared, permits } = fields.capabilities as Partial<LockAdapter['capabilities']>;
  for (const [flag, value] of Object.entries({ shared, permits })) {
    if (value !== undefined && typeof value !== 'boolean')
      refuse(`capabilities.${flag} of the adapter ${fields.name} is true or false, not ${shown(value)}`);
  }
  if (ttl !== undefined && !(Number.isFinite(ttl?.minMs) && Number.isFinite(ttl?.granularityMs))) {
    refuse(`the adapter ${fields.name} declares capabilities.ttl without a number for minMs and for granularityMs`);
  }
}

export function checkAcquireReply(adapter: LockAdapter, key: string, reply: AcquireOutcome): AcquireOutcome {
  return isObject(reply) && reply.status === 'busy' ? reply : checkGrant(adapter, 'tryAcquire', key, reply);
}

export function checkGrant(adapter: LockAdapter, call: string, key: string, reply: AcquireOutcome): Granted {
  if ((reply as Granted | undefined | null)?.status !== 'granted')
    throw nonsense(adapter.name, call, key, shown(reply));
  const { fencingToken, tokens, validForMs } = reply as Granted;
  if (!isFiniteNumber(validForMs)) {
    throw nonsense(adapter.name, call, key, `validForMs ${shown(validForMs)}, which is not a number of milliseconds`);
  }
  if (fencingToken === undefined ? adapter.capabilities.fencing : typeof fencingToken !== 'bigint') {
    throw nonsense(adapter.name, call, key, `fencingToken ${shown(fencingToken)}, which is not a bigint`);
  }
  if (tokens !== undefined && !(Number.isSafeInteger(tokens) && tokens >= 1)) {
    throw nonsense(adapter.name, call, key, `tokens ${shown(tokens)}, which is not a whole number above 0`);
  }
  return reply as Granted;
}

/** How much earlier than the backend a lease ends here: 1 % for clocks that drift apart, 2 ms for timers (redis.io, Redlock). */
const driftMs = (ttlMs: number): number => ttlMs * 0.01 + 2;

/**
 * Until when a lease is good that the backend granted for `validForMs` in answer to a call sent at `sentAt` (H47). It began
 * before the answer was here, at `now`, so from there it lasts no longer than a whole lease, whatever the adapter says: one
 * that times a wait of hours on its server's clock is wrong by no more than the way of the answer.
 */
export function leaseDeadline(
  sentAt: number,
  validForMs: number,
  ttlMs: number,
  now: number,
  { ttl }: Partial<Capabilities>,
): number {
  const longestMs = ttl === undefined ? ttlMs : Math.max(ttlMs, ttl.minMs) + ttl.granularityMs;
  return Math.min(sentAt + validForMs, now + longestMs) - driftMs(Math.min(validForMs, ttlMs));
}

/** The hint of a busy reply, if it is one: anything else must neither hang a waiter nor fail it. */
export const retryHintMs = (value: unknown): number | undefined =>
  isFiniteNumber(value) && value >= 0 ? value : undefined;

export function checkRenewReply(adapter: LockAdapter, call: string, key: string, reply: RenewOutcome): RenewOutcome {
  if (isObject(reply)) {
    if (reply.status === 'lost') return reply;
    if (reply.status === 'renewed' && isFiniteNumber(reply.validForMs) && reply.validForMs > 0) return reply;
  }
  throw nonsense(adapter.name, call, key, shown(reply));
}

export function checkRenewReplies(adapter: LockAdapter, replies: readonly RenewOutcome[]): readonly RenewOutcome[] {
  if (Array.isArray(replies)) return replies;
  // No LockError: what became of the leases is unknown, and they may still be renewed in time.
  throw new Error(nonsense(adapter.name, 'renewMany', undefined, shown(replies)).message);
}

export function checkForceReply(adapter: LockAdapter, key: string, reply: boolean): boolean {
  if (typeof reply === 'boolean') return reply;
  throw nonsense(adapter.name, 'forceRelease', key, shown(reply));
}

export function checkInfo(
  adapter: LockAdapter,
  key: string,
  reply: InspectedLock | undefined,
): InspectedLock | undefined {
  if (reply === undefined) return undefined;
  const info = isObject(reply) ? (reply as InspectedLock) : ({} as InspectedLock);
  const { owner, remainingMs, fencingToken, waiters, mode, holders, limit, since } = info;
  const modes: unknown[] = [undefined, 'exclusive', 'shared', 'permits'];
  const fits =
    typeof owner === 'string' &&
    (remainingMs === undefined || isFiniteNumber(remainingMs)) &&
    (fencingToken === undefined || typeof fencingToken === 'bigint') &&
    (waiters === undefined || isFiniteNumber(waiters)) &&
    modes.includes(mode) &&
    (holders === undefined || (isFiniteNumber(holders) && holders >= 1)) &&
    (limit === undefined || (isFiniteNumber(limit) && limit >= 1)) &&
    (since === undefined || (typeof since?.getTime === 'function' && isFiniteNumber(since.getTime())));
  if (!fits) throw nonsense(adapter.name, 'inspect', key, shown(reply));
  return reply;
}

export function checkPage(adapter: LockAdapter, reply: KeysPage): KeysPage {
  const { keys, next } = isObject(reply) ? (reply as KeysPage) : ({} as KeysPage);
  const fits =
    Array.isArray(keys) &&
    keys.every((key) => typeof key === 'string') &&
    (next === undefined || typeof next === 'string');
  if (!fits) throw nonsense(adapter.name, 'keys', undefined, shown(reply));
  return reply;
}

/** A `LockError` that no repetition changes: a definite answer. */
export const isRefusal = (error: unknown): error is LockError => isLockError(error) && error.retryable === false;

/** Whether the adapter says of an acquire that it cannot have taken effect: it never left the process, or it was refused. */
export const isWithoutEffect = (error: unknown): boolean =>
  wasNotSent(error) || (isRefusal(error) && (error as { notSent?: unknown }).notSent !== false);

/** Whether a renewal that was refused like this leaves the hold as it was; a key that is no lock any more ends it, and so does a closed adapter. */
export const leavesHold = (error: LockError): boolean =>
  error.code !== 'LOCK_FOREIGN_KEY' && error.code !== 'LOCK_CLOSED';

/** Whether the adapter says that the command never left the process, so that the backend cannot know of it. */
const wasNotSent = (error: unknown): boolean => (error as { notSent?: unknown } | undefined)?.notSent === true;

const nonsense = (backend: string, call: string, key: string | undefined, what: string): LockError =>
  new LockError(
    'LOCK_BACKEND',
    `the adapter ${backend} answered ${call}${key === undefined ? '' : ` of lock ${JSON.stringify(key)}`} with ${what}; report it to the author of the adapter`,
    { key, retryable: false },
  );
