import type { AcquireAttempt, Capabilities, Granted, HoldRef, LockAdapter, RenewOutcome } from '@holdfast/lock-core';
import { SessionOver, toLockError, Unanswered } from './failures.ts';
import { createLockNodes, type LockNode } from './lock-nodes.ts';
import { keysPage, ownerOf } from './names.ts';
import { resolveSettings, type ZookeeperOptions } from './options.ts';
import { createRequests } from './requests.ts';
import { waitForTurn } from './wait-for-turn.ts';
import { createWatches } from './watches.ts';

/**
 * A lock adapter over a ZooKeeper ensemble: the recipe of ephemeral sequential nodes, first come, first served. It makes its
 * own clients of `node-zookeeper-client`, connects when it is first asked, and `close()` ends its session.
 * @throws LockError LOCK_INVALID_ARGUMENT for a bad option.
 */
export function zookeeperAdapter(options: ZookeeperOptions): LockAdapter {
  const settings = resolveSettings(options);
  const requests = createRequests(
    settings,
    () => lockNodes.count > 0,
    () => lockNodes.clearUp(),
  );
  const watches = createWatches(requests);
  const lockNodes = createLockNodes(requests, watches, settings.root);
  const now = (): number => performance.now();

  const capabilities: Capabilities = {
    fencing: true,
    fairness: 'fifo',
    expiry: 'session',
    wakeup: 'push',
    survivesFailover: true,
    crossProcess: true,
    // The lease is as long as asked, but a crash is noticed only by the end of the session: its time-out, and up to half of
    // that more since the server counts in ticks.
    ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: Math.ceil(settings.sessionTimeoutMs * 1.5) },
  };

  /** The lease of a node that is the first, counted from `calledAt`; the TTL counts from `ttlFrom`. */
  async function grant(node: LockNode, calledAt: number, ttlFrom: number, ttlMs: number): Promise<Granted> {
    const validForMs = await validity(node, calledAt, ttlFrom + ttlMs);
    return { status: 'granted', fencingToken: node.token, validForMs };
  }

  /** No longer than the session is sure to last: another has the lock as soon as the server ends it. */
  async function validity(node: LockNode, calledAt: number, leaseEnd: number): Promise<number> {
    await requests.confirmed();
    if (node.session.over) throw new SessionOver();
    const validForMs = Math.min(requests.sessionValidUntil(node.session), leaseEnd) - calledAt;
    if (validForMs <= 0) throw new Unanswered('the answer came too late');
    return validForMs;
  }

  async function renewOne({ key, owner }: HoldRef, ttlMs: number, calledAt: number): Promise<RenewOutcome> {
    const node = await lockNodes.known(key, owner);
    if (node === undefined || node.predecessor !== undefined || node.session.over) return { status: 'lost' };
    try {
      const [stat, validForMs] = await Promise.all([
        requests.stat(node.path),
        validity(node, calledAt, calledAt + ttlMs),
      ]);
      // The node is the hold; that of another session would not be ours (H65).
      if (!stat?.ephemeralOwner.equals(node.session.id)) return { status: 'lost' };
      return { status: 'renewed', validForMs };
    } catch (error) {
      if (error instanceof SessionOver) return { status: 'lost' };
      throw toLockError(error, key);
    }
  }

  /** Runs a call, and says in our words what went wrong. */
  async function about<T>(key: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw toLockError(error, key);
    }
  }

  return {
    name: 'zookeeper',
    capabilities,

    tryAcquire: ({ key, owner, ttlMs }) =>
      about(key, async () => {
        const calledAt = now();
        const node = await lockNodes.enter(key, owner);
        if (node.predecessor === undefined) return grant(node, calledAt, calledAt, ttlMs);
        // Who does not wait leaves no node, unless an `enqueue` of the same owner waits with it.
        if (!node.waiting) await lockNodes.leave(key, owner);
        return { status: 'busy' };
      }),

    async enqueue(attempt: AcquireAttempt, signal: AbortSignal): Promise<Granted> {
      const calledAt = now();
      const { key, ttlMs } = attempt;
      try {
        const node = await waitForTurn(requests, lockNodes, watches, attempt, signal);
        return await grant(node, calledAt, now(), ttlMs);
      } catch (error) {
        // The signal's own reason says that the node was given back.
        throw signal.aborted && error === signal.reason ? error : toLockError(error, key);
      }
    },

    renew: (hold, ttlMs) => renewOne(hold, ttlMs, now()),

    async renewMany(holds, ttlMs) {
      const calledAt = now();
      return Promise.all(holds.map((hold) => renewOne(hold, ttlMs, calledAt)));
    },

    release: ({ key, owner }) =>
      about(key, async () => ((await lockNodes.leave(key, owner)) ? 'released' : 'not-held')),

    inspect: (key) =>
      about(key, async () => {
        for (;;) {
          const order = await lockNodes.contenders(key);
          const [first] = order;
          if (first === undefined) return undefined;
          const stat = await requests.stat(first);
          // It went in between: look who is the first now.
          if (stat === undefined) continue;
          return {
            key,
            owner: ownerOf(first.slice(first.lastIndexOf('/') + 1)),
            remainingMs: undefined,
            fencingToken: stat.czxid.readBigInt64BE(),
            waiters: order.length - 1,
          };
        }
      }),

    keys: () => about('*', () => keysPage(requests, settings.root)),

    forceRelease: (key) =>
      about(key, async () => {
        for (;;) {
          const [first] = await lockNodes.contenders(key);
          if (first === undefined) return false;
          if (await requests.remove(first)) return true;
        }
      }),

    close: () => requests.close(),
  };
}
