import type { AcquireAttempt, Granted, HoldRef, LockAdapter } from '@holdfast/lock-core';
import { createEnvironment } from '../engine/environment.ts';
import { createMachine } from '../engine/machine.ts';
import type { Backend, BackendModel, ClientProcess, Stage } from './backend.ts';
import { createCaller, type Handler, listen } from './remote-calls.ts';

interface Store {
  readonly entries: Map<string, { holders: readonly { owner: string; expiresAt: number }[] }>;
  readonly watchers: Map<string, Set<unknown>>;
}

/** The memory adapter on a server of its own, asked over the network: lock-core meets every fault of a remote backend. */
export const memoryModel: BackendModel = {
  entry: `
    export { createLocks, isLockError } from '@holdfast/lock-core';
    export { memoryAdapter, memoryStore } from '@holdfast/adapter-memory';
  `,
  libraries: [],
  serverFaults: () => [],
  slowestHintMs: 1_500,
  drawOptions: (random) => ({
    fairness: random.pick(['fifo', 'none']),
    hints: random.chance(0.7),
    fencing: random.chance(0.85),
    doubled: random.chance(0.3) ? 0.1 : 0,
    lanes: random.int(1, 2),
    renewMany: random.chance(0.7),
  }),
  servers: () => 1,
  isFifo: ({ fairness }) => fairness === 'fifo',
  isAsked: ({ fairness, hints }) => fairness === 'none' && hints === true,
  takesModes: ({ fairness }) => fairness === 'fifo',
  create(stage) {
    return createMemoryBackend(stage);
  },
};

function createMemoryBackend(stage: Stage): Backend {
  const { world, network, schedule, programs } = stage;
  const { options } = schedule;
  const machine = createMachine(world, 'server 1', { rate: 1, wallOffsetMs: 0 }, 5_000);
  const module = programs.shipped(createEnvironment(machine, {}));
  const store = (module.memoryStore as () => Store)();
  const fairness = options.fairness as 'fifo' | 'none';
  const makeAdapter = module.memoryAdapter as (options: object) => LockAdapter;
  const own = makeAdapter({ store, fairness, fencing: options.fencing });
  const random = world.random.fork('memory server');
  const aborts = new Map<string, AbortController>();

  const handle: Handler = (name, [first, second], tell, atEnd, client) => {
    if (name === 'enqueue') return enqueue(first as AcquireAttempt, second as string, tell, atEnd);
    if (name === 'whenFree') return watch(first as string, second as string, tell, atEnd);
    if (name === 'abort') return Promise.resolve(aborts.get(first as string)?.abort());
    if (name === 'forceRelease') noteForced(client, first as string, second as string | undefined);
    const call = own[name as 'tryAcquire'] as (...args: unknown[]) => Promise<unknown>;
    const args =
      name === 'tryAcquire' ? [{ ...(first as object), signal: new AbortController().signal }] : [first, second];
    if (!random.chance(options.doubled as number)) return call.apply(own, args);
    // Both run before the answer goes out; the answer to the repetition comes too late to count.
    const answer = call.apply(own, args);
    void call.apply(own, args).catch(() => {});
    return answer;
  };

  const holdersOf = (key: string) =>
    store.entries.get(key)?.holders.filter(({ expiresAt }) => expiresAt > machine.now()) ?? [];

  function noteForced(client: number, key: string, named: string | undefined): void {
    const holders = holdersOf(key);
    for (const { owner } of holders) {
      // Without a name it frees all of several holders together.
      if (named === owner || (named === undefined && holders.length === 1)) stage.freedByForce(client, key, owner);
    }
  }

  function enqueue(
    attempt: AcquireAttempt,
    id: string,
    tell: (word: string) => void,
    atEnd: (run: () => void) => void,
  ): Promise<unknown> {
    const controller = new AbortController();
    // As in any queue over a network, a place does not outlast the connection of its waiter.
    atEnd(() => controller.abort());
    aborts.set(id, controller);
    return own.enqueue!({ ...attempt, signal: controller.signal, onQueued: () => tell('queued') }, controller.signal);
  }

  async function watch(
    key: string,
    id: string,
    tell: (word: string) => void,
    atEnd: (run: () => void) => void,
  ): Promise<void> {
    const controller = new AbortController();
    atEnd(() => controller.abort());
    aborts.set(id, controller);
    await own.whenFree!(key, controller.signal);
    tell('subscribed');
    for (;;) {
      await own.whenFree!(key, controller.signal);
      tell('hint');
    }
  }

  network.hosts.push({ machine, isUp: true, accept: (connection) => listen(connection, handle) });

  return {
    connect: (client) => {
      const caller = createCaller(stage, client, options.lanes as number);
      let made = 0;
      return () => remoteAdapter(stage, client, own, caller, ++made);
    },
    holderOf(key) {
      const [earliest] = holdersOf(key);
      return earliest && { owner: earliest.owner, remainingMs: earliest.expiresAt - machine.now() };
    },
    fault() {},
    heal() {},
    subscriptions: () => [...store.watchers.values()].reduce((sum, all) => sum + all.size, 0),
    leftovers: () => [
      ...[...store.entries.keys()].flatMap((key) => (holdersOf(key).length > 0 ? [`the lock ${key}`] : [])),
      ...[...store.watchers.keys()].map((key) => `a subscription to ${key}`),
    ],
  };
}

/** An adapter in a client process that passes everything on to the server. */
function remoteAdapter(
  { schedule }: Stage,
  client: ClientProcess,
  own: LockAdapter,
  caller: ReturnType<typeof createCaller>,
  adapterId: number,
): LockAdapter {
  const { options } = schedule;
  const plain = ({ key, owner, ttlMs, tokens, claim }: AcquireAttempt) => ({ key, owner, ttlMs, tokens, claim });
  const name = ({ key, owner, fencingToken, claim }: HoldRef) => ({ key, owner, fencingToken, claim });
  let streams = 0;
  const adapter: LockAdapter = {
    name: 'memory',
    capabilities: { ...own.capabilities, wakeup: own.enqueue || options.hints ? 'push' : 'poll' },
    tryAcquire: (attempt) => caller.call('tryAcquire', [plain(attempt)]) as never,
    renew: (hold, ttlMs) => caller.call('renew', [name(hold), ttlMs]) as never,
    release: (hold) => caller.call('release', [name(hold)]) as never,
    inspect: (key) => caller.call('inspect', [key]) as never,
    keys: () => caller.call('keys', []) as never,
    forceRelease: (key: string, owner?: string) => caller.call('forceRelease', [key, owner]) as never,
    downgrade: (hold, ttlMs) => caller.call('downgrade', [name(hold), ttlMs]) as never,
    async close() {},
  };
  if (options.renewMany) {
    adapter.renewMany = (holds, ttlMs) => caller.call('renewMany', [holds.map(name), ttlMs]) as never;
  }
  if (own.enqueue) {
    adapter.downgrade = (hold, ttlMs) => caller.call('downgrade', [name(hold), ttlMs]) as never;
    adapter.enqueue = (attempt, signal) => {
      const told = (word: string): void => void (word === 'queued' && attempt.onQueued?.());
      const id = `place ${client.index} ${adapterId} ${++streams}`;
      const calledAt = client.machine.now();
      const grant = caller.stream('enqueue', [plain(attempt), id], id, signal, told) as Promise<Granted>;
      // The server counts from the call too, and its clock may be faster by some thousandths.
      return grant.then((granted) => ({
        ...granted,
        validForMs: granted.validForMs - 0.003 * (client.machine.now() - calledAt),
      }));
    };
  } else if (options.hints) {
    adapter.whenFree = createWatcher((key, signal, told) => {
      const id = `watch ${client.index} ${adapterId} ${++streams}`;
      return caller.stream('whenFree', [key, id], id, signal, told);
    });
  }
  return adapter;
}

/** Makes `whenFree` of a stream of words: the first call waits for the subscription, the others for a hint. */
function createWatcher(
  subscribe: (key: string, signal: AbortSignal, told: (word: string) => void) => Promise<unknown>,
): NonNullable<LockAdapter['whenFree']> {
  type Call = { resolve(): void; reject(reason: unknown): void };
  const known = new WeakMap<AbortSignal, Call[]>();
  return (key, signal) =>
    new Promise((resolve, reject) => {
      const calls = known.get(signal);
      if (calls !== undefined) return void calls.push({ resolve, reject });
      const mine: Call[] = [{ resolve, reject }];
      known.set(signal, mine);
      const told = (): void => {
        for (const call of mine.splice(0)) call.resolve();
      };
      subscribe(key, signal, told).catch((error) => {
        known.delete(signal);
        for (const call of mine.splice(0)) call.reject(error);
      });
    });
}
