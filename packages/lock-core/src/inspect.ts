import { checkForceReply, checkInfo, checkPage, isRefusal } from './adapter-replies.ts';
import { callWithTimeout, pause, retryDelayMs, retryUntilAnswered } from './backend-call.ts';
import type { Context } from './context.ts';
import {
  closed,
  forceUnknown,
  isLockError,
  LockError,
  lost,
  nameCaller,
  refuse,
  shown,
  unsupported,
} from './errors.ts';
import type { Lease } from './lease.ts';
import type { InspectedLock, LockHolder, LockInfo } from './lock-adapter.ts';
import { attemptTimeout, checkKey } from './options.ts';
import { holderOf } from './owner.ts';
import { loseLease } from './release.ts';

// More would take the time of the backend from those who lock.
const atOnce = 32;

/** Who holds the key in the backend. */
export async function inspectLock(context: Context, key: string): Promise<LockInfo | undefined> {
  checkKey(key);
  return describe(context, await lookUp(context, key));
}

async function lookUp(context: Context, key: string): Promise<InspectedLock | undefined> {
  const { adapter } = context;
  const { inspect } = adapter;
  if (inspect === undefined) throw unsupported(adapter.name, 'way to inspect a lock');
  const call = async (): Promise<InspectedLock | undefined> =>
    checkInfo(adapter, key, await inspect.call(adapter, key));
  return retryUntilAnswered(context, key, call);
}

/** What the caller is told: with the token and the time of the hold that stands, in a form that `JSON.stringify` accepts. */
function describe(context: Context, inspected: InspectedLock | undefined): LockInfo | undefined {
  if (inspected === undefined) return undefined;
  const { since, ...info } = inspected;
  const own = context.keys.get(info.key)?.findLease(({ owner }) => owner === info.owner);
  // After a local hand-over the backend still shows the first token of the block.
  const fencingToken = own === undefined ? info.fencingToken : own.token;
  const described: LockInfo = { ...info, fencingToken, holder: describeHolder(context, info.owner, own, since) };
  const toJSON = (): object => ({ ...described, fencingToken: fencingToken?.toString() });
  return Object.defineProperty(described, 'toJSON', { value: toJSON });
}

function describeHolder(
  { adapter }: Context,
  owner: string,
  own: Lease | undefined,
  recorded: Date | undefined,
): LockHolder | undefined {
  const holder = holderOf(owner);
  if (holder === undefined) return undefined;
  // Without a queue in the backend a refused owner ID never asks again, so the request that was granted did not wait.
  const unqueued = adapter.enqueue === undefined ? holder.askedAt : undefined;
  const since = own?.heldSince ?? recorded ?? unqueued;
  return since === undefined ? holder : { ...holder, since };
}

/** Looks up the keys that match the pattern, a page at a time. */
export async function* listLocks(context: Context, pattern: string = '*'): AsyncGenerator<LockInfo, void> {
  const { adapter } = context;
  const { keys, inspect } = adapter;
  if (typeof pattern !== 'string') refuse(`a pattern must be a string, not ${shown(pattern)}`);
  if (keys === undefined || inspect === undefined) throw unsupported(adapter.name, 'way to list its locks');
  const seen = new Set<string>();
  let cursor: string | undefined;
  do {
    const call = async () => checkPage(adapter, await keys.call(adapter, cursor));
    const page = await retryUntilAnswered(context, undefined, call);
    if (page.next !== undefined && page.next === cursor) throw endless(adapter.name, cursor);
    const fresh = [...new Set(page.keys)].filter((key) => !seen.has(key) && matches(pattern, key));
    for (const key of fresh) seen.add(key);
    for (let i = 0; i < fresh.length; i += atOnce) {
      const infos = await Promise.all(fresh.slice(i, i + atOnce).map((key) => lookUpListed(context, key)));
      yield* infos.filter((info) => info !== undefined);
    }
    cursor = page.next;
  } while (cursor !== undefined);
}

const endless = (backend: string, cursor: string): LockError =>
  new LockError(
    'LOCK_BACKEND',
    `listing the locks of ${backend} would never end: after the page at ${JSON.stringify(cursor)} it named the same page again; report it to the author of the adapter`,
    { retryable: false },
  );

async function lookUpListed(context: Context, key: string): Promise<LockInfo | undefined> {
  try {
    return describe(context, await lookUp(context, key));
  } catch (error) {
    // A key with other data in the way is no lock, and does not end the list (H128).
    if (isLockError(error, 'LOCK_FOREIGN_KEY')) return undefined;
    throw error;
  }
}

/** `*` for any characters and `?` for one; all others stand for themselves. Takes at most pattern times key steps. */
function matches(pattern: string, key: string): boolean {
  const [wanted, given] = [Array.from(pattern), Array.from(key)];
  let [p, k] = [0, 0];
  // Where to go on when what follows the last star does not fit: the star takes one character more.
  let [afterStar, taken] = [-1, 0];
  while (k < given.length) {
    if (wanted[p] === '*') {
      p += 1;
      [afterStar, taken] = [p, k];
    } else if (p < wanted.length && (wanted[p] === '?' || wanted[p] === given[k])) {
      p += 1;
      k += 1;
    } else if (afterStar >= 0) {
      taken += 1;
      [p, k] = [afterStar, taken];
    } else return false;
  }
  while (wanted[p] === '*') p += 1;
  return p === wanted.length;
}

/**
 * Frees the key of the owner that was observed to hold it. The call names that owner, and is repeated only if the adapter takes
 * the name and the owner still holds the key: a repeated call must not free the next holder (H112). Several holders are freed
 * together, whoever they are, by one call that is never repeated.
 */
export async function forceRelease(context: Context, key: string, owner?: string): Promise<boolean> {
  checkKey(key);
  if (owner !== undefined && typeof owner !== 'string') refuse('the owner is the owner ID that `inspect` shows');
  const { adapter } = context;
  const { forceRelease, inspect } = adapter;
  if (forceRelease === undefined) throw unsupported(adapter.name, 'way to release a lock by force');
  if (owner !== undefined && (inspect === undefined || forceRelease.length < 2))
    throw unsupported(adapter.name, 'way to free a lock only if a certain owner holds it');
  const startedAt = context.settings.clock.now();
  const info = inspect === undefined ? undefined : await lookUp(context, key);
  if (inspect !== undefined && info === undefined) return false;
  if (owner !== undefined && !mayHold(info, owner)) return false;
  const isExclusive = (info?.mode ?? 'exclusive') === 'exclusive';
  const target = owner ?? (isExclusive ? info?.owner : undefined);
  return context.keepalive.during(() => forceOwner(context, key, target, startedAt));
}

/** Of several holders the backend shows the earliest alone. */
const mayHold = (info: LockInfo | undefined, owner: string): boolean =>
  info?.owner === owner || (info?.holders ?? 1) > 1;

async function forceOwner(
  context: Context,
  key: string,
  owner: string | undefined,
  startedAt: number,
): Promise<boolean> {
  const { adapter, settings } = context;
  const { clock, backendTimeoutMs } = settings;
  const leases = context.keys.get(key)?.leases() ?? [];
  const own = leases.filter((lease) => owner === undefined || lease.owner === owner);
  // The holders of this process are told before anybody else can have the lock.
  for (const lease of own)
    loseLease(context, lease, lost(key, adapter.name, 'it was released by force'), 'is free of it');
  const repeatable = owner !== undefined && (adapter.forceRelease?.length ?? 0) >= 2;
  try {
    for (let failures = 0; ; ) {
      if (context.closed) throw closed(key);
      const answer = await forceOnce(context, key, owner);
      if (!('cause' in answer)) return answer.freed || failures > 0 || own.length > 0;
      failures += 1;
      // Whoever else frees or takes the key meanwhile: the observed owner no longer holds it.
      for (;;) {
        const forMs = clock.now() - startedAt;
        if (forMs >= backendTimeoutMs || owner === undefined)
          throw forceUnknown(key, adapter.name, forMs, answer.cause);
        await pause(context, Math.min(retryDelayMs(failures), backendTimeoutMs - forMs));
        if (!mayHold(await lookUp(context, key), owner)) return true;
        if (repeatable) break;
      }
    }
  } catch (error) {
    for (const lease of own) context.cleanup.add(lease);
    throw error;
  }
}

/** One call of the adapter: its answer, or why there is none. Throws a refusal. */
async function forceOnce(
  { adapter, settings, timers }: Context,
  key: string,
  owner: string | undefined,
): Promise<{ freed: boolean } | { cause: unknown }> {
  const withinMs = attemptTimeout(settings, settings.defaults.ttlMs);
  const call = async (): Promise<boolean> => {
    const reply = owner === undefined ? adapter.forceRelease?.(key) : adapter.forceRelease?.(key, owner);
    return checkForceReply(adapter, key, (await reply) as boolean);
  };
  try {
    return { freed: await callWithTimeout(timers, settings.clock.now(), withinMs, call) };
  } catch (cause) {
    if (isRefusal(cause)) throw nameCaller(cause);
    return { cause };
  }
}
