import { isDeepStrictEqual } from 'node:util';
import { enableEtcdUsers, startEtcd } from '@holdfast/testbed';
import { Etcd3 } from 'etcd3';
import { expect, it } from 'vitest';
import { createRandom } from '../src/random.ts';
import { playExpiry } from './support/etcd-expiry.ts';
import { type Drawing, drawAny, drawShipped, type Operation } from './support/etcd-operations.ts';
import {
  ask,
  createModel,
  forgetsDeletes,
  type Heard,
  openKeepAlives,
  openWatches,
  patienceMs,
  type Reply,
  readUp,
} from './support/etcd-under-test.ts';

// Another seed, or more: SIMULATION_SEED=7 SIMULATION_OPERATIONS=500000 npx vitest run packages/simulation
const seed = process.env.SIMULATION_SEED ?? new Date().toISOString().slice(0, 10);
const operations = Number(process.env.SIMULATION_OPERATIONS ?? 20_000);
const together = 250;

/** Whether an answer tells of a write: such a revision is its own. */
function wrote({ answer }: { answer: object }, method: string): boolean {
  const text = JSON.stringify(answer);
  return method === 'Put' || /"response_put":\{|"deleted":"[1-9]/.test(text);
}

function canonical(reply: Reply, { isUnordered }: Operation): Reply {
  if (isUnordered !== true || 'error' in reply) return reply;
  const { kvs } = reply.answer as { kvs: { key: string }[] };
  return { ...reply, answer: { ...reply.answer, kvs: kvs.toSorted((a, b) => (a.key < b.key ? -1 : 1)) } };
}

it(`the model of etcd answers as the real server does, ${operations} operations (seed ${seed})`, {
  timeout: 600_000,
}, async () => {
  await using server = await startEtcd();
  const client = new Etcd3({ hosts: server.url.replace('etcd://', '') });
  const random = createRandom(`etcd model ${seed}`);
  const model = createModel(undefined, await forgetsDeletes());
  const { store, leases } = model.state;
  const keepAlives = await openKeepAlives(client);
  const real = [await openWatches(client), await openWatches(client)];
  const modelled = real.map(() => model.openWatches());
  let nextLease = 1_000;
  try {
    await grant(String(nextLease++), 9_000);
    for (let count = 0; count < operations; ) {
      count += await playTogether();
      count += await playLeases();
      if (random.chance(0.5)) await playWatch();
      if (random.chance(0.1)) count += await alone('LeaseRevoke', { ID: random.pick(knownLeases()) });
      if (random.chance(0.2)) await compact();
      if (leases.all.size === 0) await grant(String(nextLease++), 9_000);
    }
    await same();
    await playExpiry(client, model, keepAlives, nextLease);
  } finally {
    client.close();
  }

  function knownLeases(): string[] {
    return [...leases.all.keys(), '76'];
  }

  /** Requests that are under way together; their answers tell in which order they were done. */
  async function playTogether(): Promise<number> {
    const keys = store.within(Buffer.from([0]), Buffer.from([0]));
    const drawing: Drawing = { random, keys, leases: [...leases.all.keys()], revision: store.revision };
    const drawn = Array.from({ length: together }, () =>
      random.chance(0.7) ? drawShipped(drawing) : drawAny(drawing),
    );
    // Whether a missing lease is noticed depends on the keys, and nothing tells when a refused request was looked at.
    const isAlone = (operation: Operation): boolean => /"lease":"7[78]"/.test(JSON.stringify(operation.request));
    for (const { method, request } of drawn.filter(isAlone)) await alone(method, request);
    const others = drawn.filter((operation) => !isAlone(operation));
    const answers = await Promise.all(
      others.map(async (operation) => ({ operation, reply: await ask(client, operation.method, operation.request) })),
    );
    const rank = ({ operation, reply }: (typeof answers)[number]): number => {
      if ('error' in reply) return 0;
      return reply.revision + (wrote(reply, operation.method) ? 0 : 0.5);
    };
    for (const { operation, reply } of answers.sort((a, b) => rank(a) - rank(b))) {
      const got = model.ask(operation.method, operation.request);
      assertSame(operation, canonical(got, operation), canonical(reply, operation));
    }
    return drawn.length;
  }

  /** Requests about leases that do not touch each other. */
  async function playLeases(): Promise<number> {
    const ids = knownLeases()
      .filter(() => random.chance(0.5))
      .slice(0, 10);
    const kept = await Promise.all(ids.map((id) => keepAlives.keep(id)));
    expect(ids.map((id) => model.keepAlive(id))).toEqual(kept);
    const looked = await Promise.all(ids.map((ID) => ask(client, 'LeaseTimeToLive', { ID, keys: true })));
    for (const [i, reply] of looked.entries())
      expect(coarse(model.ask('LeaseTimeToLive', { ID: ids[i], keys: true }))).toEqual(coarse(reply));
    const ttl = random.pick([9_000, 700, '9000000001', 5_000, '9000000000']);
    const id = random.chance(0.1) ? random.pick(knownLeases()) : String(nextLease++);
    if (leases.all.size < 12 || random.chance(0.1)) await grant(id, ttl);
    return 2 * ids.length + 1;
  }

  async function grant(ID: string, TTL: number | string): Promise<void> {
    await alone('LeaseGrant', { ID, TTL });
  }

  async function alone(method: string, request: object): Promise<number> {
    const reply = await ask(client, method, request);
    assertSame({ method, request }, model.ask(method, request), reply);
    return 1;
  }

  async function compact(): Promise<void> {
    await same();
    // A watch of the past that a compaction overtakes is cancelled, also when it has nothing to tell.
    await readUp(server);
    const revision = random.pick([store.revision, store.revision - 50, 3, store.revision + 1_000]);
    // Only then has it forgotten what is to be forgotten.
    await alone('Compact', { revision, physical: true });
  }

  async function playWatch(): Promise<void> {
    await same();
    const which = random.int(0, 1);
    const [there, here] = [real[which]!, modelled[which]!];
    if (random.chance(0.4)) {
      const id = random.pick([...here.said.keys(), '999']);
      there.stream.write({ cancel_request: { watch_id: id } });
      here.cancel(id);
      return same();
    }
    const { revision, compacted } = store;
    const starts = [
      0,
      revision,
      revision + 1,
      revision + 40,
      revision - 60,
      1,
      compacted - 1,
      compacted,
      compacted + 1,
    ];
    const start = random.chance(0.3) ? compacted : random.pick(starts);
    const create_request = {
      ...random.pick([
        { key: Buffer.from('locks/k1/ann') },
        { key: Buffer.from('locks/k2/'), range_end: Buffer.from('locks/k20') },
        { key: Buffer.from('x/1') },
        { key: Buffer.from('locks/'), range_end: Buffer.from([0]) },
      ]),
      start_revision: Math.max(0, start),
      filters: random.pick([['Noput'], ['Noput'], ['Noput', 'Nodelete'], []]),
      // Some of those that etcd would choose next.
      watch_id: random.chance(0.5) ? 0 : random.int(1, random.pick([6, 40])),
    };
    there.stream.write({ create_request } as never);
    here.create(create_request);
    await same();
  }

  /** Waits until the real server has told as much as the model. */
  async function same(): Promise<void> {
    for (const [i, there] of real.entries()) {
      const here: Heard = modelled[i]!;
      const until = performance.now() + patienceMs;
      while (there.count < here.count && performance.now() < until)
        await new Promise((resolve) => setTimeout(resolve, 1));
      expect(Object.fromEntries(there.said)).toEqual(Object.fromEntries(here.said));
    }
  }
});

/** `expect` with a message for each would take most of the time. */
function assertSame(operation: { method: string; request: object }, got: Reply, reply: Reply): void {
  if (!isDeepStrictEqual(got, reply)) expect(got, shown(operation)).toEqual(reply);
}

/** What is left of a lease depends on the moment, and the keys come in no order. */
function coarse(reply: Reply): unknown {
  if ('error' in reply) return reply;
  const { TTL, keys, ...rest } = reply.answer as { TTL: string; keys: string[] };
  return { ...rest, isThere: Number(TTL) >= 0, keys: keys.toSorted() };
}

const shown = (operation: { method: string; request: object }): string =>
  `${operation.method} ${JSON.stringify(operation.request, (_name, value) =>
    value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1') : value,
  )}`;

it.each(['simple', 'jwt'] as const)(
  'the model of etcd refuses as the real server does, with users and %s tokens',
  {
    timeout: 60_000,
  },
  async (token) => {
    await using server = await startEtcd({ authToken: token });
    const { call } = await enableEtcdUsers(server);
    const client = new Etcd3({ hosts: server.url.replace('etcd://', '') });
    const model = createModel({
      name: 'app',
      password: 'p',
      prefix: 'locks/',
      end: 'locks0',
      tokenTtlMs: 300_000,
      token,
    });
    const login = async (): Promise<[string, string]> => {
      const tokens = [
        await ask(client, 'Authenticate', { name: 'app', password: 'p' }),
        model.ask('Authenticate', { name: 'app', password: 'p' }),
      ];
      return tokens.map((reply) => ('answer' in reply ? (reply.answer as { token: string }).token : '')) as [
        string,
        string,
      ];
    };
    const compare = async (method: string, request: object, tokens: readonly (string | undefined)[]): Promise<void> => {
      const reply = await ask(client, method, request, tokens[0]);
      const got = model.ask(method, request, tokens[1]);
      expect('error' in got ? got : 'answered', shown({ method, request })).toEqual(
        'error' in reply ? reply : 'answered',
      );
    };
    const inside = { key: Buffer.from('locks/a') };
    const requests: [string, object][] = [
      ['Range', inside],
      ['Range', { key: Buffer.from('other') }],
      ['Range', { key: Buffer.from('locks/'), range_end: Buffer.from('locks1') }],
      ['Range', { key: Buffer.from('locks/'), range_end: Buffer.from('locks0') }],
      ['Range', { key: Buffer.from('locks/'), range_end: Buffer.from([0]) }],
      ['Txn', { success: [{ request_put: { ...inside, value: inside.key } }] }],
      ['Txn', { success: [{ request_txn: { failure: [{ request_delete_range: { key: Buffer.from('z') } }] } }] }],
      ['Txn', { compare: [{ key: Buffer.from('z'), target: 'Create', create_revision: 0 }] }],
      ['Txn', {}],
      ['LeaseRevoke', { ID: '99' }],
    ];
    try {
      for (const name of ['app', 'nobody']) await compare('Authenticate', { name, password: 'wrong' }, []);
      let tokens = await login();
      let lease = 500;
      const all = async (used: readonly (string | undefined)[]): Promise<void> => {
        for (const [method, request] of requests) await compare(method, request, used);
        await compare('LeaseGrant', { ID: String(++lease), TTL: 100 }, used);
      };
      await all([]);
      await all(['nonsense', 'nonsense']);
      await all(tokens);
      await call('auth/user/changepw', { name: 'app', password: 'p' });
      model.state.users.change();
      await all(tokens);
      tokens = await login();
      await all(tokens);
    } finally {
      client.close();
    }
  },
);
