import type { AcquireAttempt, AcquireOutcome, LockAdapter } from '@holdfast/lock-core';
import { acquireOnce } from './acquire.ts';
import { readable } from './errors.ts';
import { inspect, keysPage } from './inspect.ts';
import { type LockKeys, lockKeys } from './keys.ts';
import { type RedisLockOptions, redisLockSettings } from './options.ts';
import type { RedisClientBinding } from './redis-client.ts';
import { forceRelease, release } from './release.ts';
import { createReleaseHints } from './release-hints.ts';
import { downgrade, renew, renewMany } from './renew.ts';
import { replicatedAcquire } from './replica-acknowledgement.ts';
import { channelOf, countUnanswered, ownersInDoubt, type RedisLockState, whenConnected } from './requests.ts';
import { openPlaces } from './waiting-places.ts';

/**
 * Creates a lock adapter for a Redis server, Cluster or Sentinel group from the binding of a client. Needs Redis 6.2 or newer; a
 * Cluster needs 7.0.
 *
 * A lock is one string key, `prefix + name`, whose value is the owner ID, set as `SET key owner NX PX ttl`. It therefore excludes,
 * and is excluded by, any program that follows that convention. Waiters have places in a queue on the server.
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid option
 */
export function redisLockAdapter(client: RedisClientBinding, options: RedisLockOptions = {}): LockAdapter {
  const state = openState(client, options);
  const { settings, hints, places } = state;
  return {
    name: client.name,
    capabilities: {
      fencing: settings.fencing,
      fairness: 'fifo',
      shared: true,
      permits: true,
      expiry: 'ttl',
      wakeup: 'push',
      survivesFailover: false,
      crossProcess: true,
      ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: 50 },
    },
    tryAcquire: acquireWhenConnected(state),
    enqueue: (attempt, signal) =>
      places.enqueue(attempt, signal, (begin) => {
        const keys = state.keysOf(attempt.key);
        return isReady(client, keys) ? undefined : connectThen(state, keys, attempt.key, begin, signal);
      }),
    renew: (hold, ttlMs) => onceConnected(state, hold.key, () => renew(state, hold, ttlMs)),
    downgrade: (hold, ttlMs) => onceConnected(state, hold.key, () => downgrade(state, hold, ttlMs)),
    release: releaseWhenConnected(state),
    whenFree: (name, signal) =>
      hints.whenFree(channelOf(state, state.keysOf(name)), signal).catch((error) => {
        throw readable(error, client.name, name);
      }),
    // On a cluster locks hardly share a slot, and one call must not wait for the slowest node: each is renewed by itself.
    ...(client.cluster ? {} : { renewMany: (holds, ttlMs) => renewMany(state, holds, ttlMs) }),
    inspect: (name) => onceConnected(state, name, () => inspect(state, name)),
    keys: (cursor) => keysPage(state, cursor),
    forceRelease: (name, owner?: string) => onceConnected(state, name, () => forceRelease(state, name, owner)),
    async close() {
      places.close();
      hints.close();
      await client.close();
    },
  };
}

function openState(client: RedisClientBinding, options: RedisLockOptions): RedisLockState {
  const settings = redisLockSettings(options, client.commandTimeoutMs);
  const state: Omit<RedisLockState, 'places'> & { places?: RedisLockState['places'] } = {
    client,
    settings,
    keysOf: lockKeys(settings.prefix, client.keyPrefix),
    hints: createReleaseHints(client, {
      message: (channel, text) => state.places?.message(channel, text),
      standing: (channel) => state.places?.standing(channel),
    }),
    unanswered: countUnanswered(),
    sentTwice: ownersInDoubt(),
    allowed: new Set(),
    publish: client.cluster ? 'SPUBLISH' : 'PUBLISH',
  };
  state.places = openPlaces(state as RedisLockState);
  return state as RedisLockState;
}

/** An acquisition waits a moment for the connection, since the first lock of a program may be wanted before it is up. */
function acquireWhenConnected(state: RedisLockState): (attempt: AcquireAttempt) => Promise<AcquireOutcome> {
  const { client, settings } = state;
  const replicated = settings.waitReplicas > 0 ? replicatedAcquire(state) : undefined;
  const acquire = (attempt: AcquireAttempt, keys: LockKeys): Promise<AcquireOutcome> =>
    replicated === undefined ? acquireOnce(state, attempt, keys) : replicated.acquire(attempt, keys);
  return (attempt) => {
    const keys = state.keysOf(attempt.key);
    if (isReady(client, keys)) return acquire(attempt, keys);
    return onceConnected(state, attempt.key, () => acquire(attempt, keys), attempt.signal);
  };
}

function releaseWhenConnected(state: RedisLockState): LockAdapter['release'] {
  return (hold) => {
    if (isReady(state.client, state.keysOf(hold.key))) return release(state, hold);
    return onceConnected(state, hold.key, () => release(state, hold));
  };
}

// A cluster is connected first, and then each node when it is first needed.
const mostConnections = 3;

/** Calls the operation at once, or as soon as there is a connection for it, within about a second. */
function onceConnected<T>(
  state: RedisLockState,
  name: string,
  operation: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const keys = state.keysOf(name);
  return isReady(state.client, keys) ? operation() : connectThen(state, keys, name, operation, signal);
}

/** Calls the operation as soon as there is a connection for it: in that turn, since the next caller may occupy it. */
async function connectThen<T>(
  state: RedisLockState,
  keys: LockKeys,
  name: string,
  operation: () => Promise<T> | T,
  signal?: AbortSignal,
): Promise<T> {
  for (let i = 0; i < mostConnections && !isReady(state.client, keys); i += 1) {
    await whenConnected(state, keys, name, signal);
  }
  return operation();
}

const isReady = (client: RedisClientBinding, keys: LockKeys): boolean =>
  client.readyFor === undefined ? client.ready : client.readyFor(keys.lock);
