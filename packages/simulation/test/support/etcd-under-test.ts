import { startEtcd } from '@holdfast/testbed';
import { castGrpcError, Etcd3, type IDuplexStream, type IWatchRequest, type IWatchResponse } from 'etcd3';
import { createLeases } from '../../src/servers/etcd/leases.ts';
import { Refusal, type WatchResponse } from '../../src/servers/etcd/messages.ts';
import { methodsByPath } from '../../src/servers/etcd/protocol.ts';
import { answer, keepAlive, type State } from '../../src/servers/etcd/requests.ts';
import { createStore } from '../../src/servers/etcd/store.ts';
import { createUsers } from '../../src/servers/etcd/users.ts';
import { createWatches, type WatchStream } from '../../src/servers/etcd/watches.ts';

const service = (method: string): string =>
  method.startsWith('Lease') ? 'Lease' : method === 'Watch' ? 'Watch' : method === 'Authenticate' ? 'Auth' : 'KV';

const methodOf = (method: string) => methodsByPath.get(`/etcdserverpb.${service(method)}/${method}`)!;

/** An answer, or the words of a refusal. */
export type Reply = { readonly error: string } | { readonly revision: number; readonly answer: object };

/** Leaves out which member of which cluster answered. */
function replyOf(answered: object): Reply {
  const { header, ...rest } = answered as { header: { revision: string } };
  return { revision: Number(header.revision), answer: plain(rest) as object };
}

/** Inner headers name no member, and bytes are shown as text. */
function plain(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('latin1');
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).filter(([name]) => !['cluster_id', 'member_id', 'raft_term'].includes(name));
  return Object.fromEntries(entries.map(([name, inner]) => [name, plain(inner)]));
}

/** etcd's own words, without those that etcd3 adds. */
const wordsOf = (error: unknown): string =>
  (error as Error).message.replace(/^Lease (.*) is expired or revoked$/, '$1').replace(/^(?:\w+: )?\d+ [A-Z_]+: /, '');

/** Asks a real server. */
export async function ask(client: Etcd3, method: string, request: object, token?: string): Promise<Reply> {
  const { originalName } = methodOf(method);
  const pool = { KV: client.kv, Lease: client.leaseClient, Auth: client.auth }[service(method) as 'KV'];
  const call = (pool as unknown as Record<string, (request: object, options?: object) => Promise<object>>)[
    originalName
  ];
  try {
    return replyOf(
      await call!.call(pool, request, token === undefined ? undefined : { interceptors: [adding(token)] }),
    );
  } catch (error) {
    return { error: wordsOf(error) };
  }
}

// biome-ignore lint/suspicious/noExplicitAny: gRPC's interceptors.
const adding = (token: string) => (options: any, next: any) => {
  const call = next(options);
  const start = call.start.bind(call);
  // biome-ignore lint/suspicious/noExplicitAny: gRPC's interceptors.
  call.start = (metadata: any, listener: any) => {
    metadata.set('token', token);
    // etcd3 repeats a call without end whose error reads so.
    start(metadata, {
      onReceiveMetadata: (received: unknown) => listener.onReceiveMetadata(received),
      onReceiveMessage: (message: unknown) => listener.onReceiveMessage(message),
      onReceiveStatus: (status: { details: string }) =>
        listener.onReceiveStatus({ ...status, details: status.details.replace('invalid auth token', 'stale token') }),
    });
  };
  return call;
};

/** A model of its own, asked without a network. */
export interface Model {
  readonly state: State;
  ask(method: string, request: object, token?: string): Reply;
  keepAlive(id: string): number | undefined;
  openWatches(): Heard & { create(request: object): void; cancel(id: string): void };
}

/** What a watch stream has said, by watch. */
export interface Heard {
  readonly said: Map<string, string[]>;
  readonly count: number;
}

function hear(said: Map<string, string[]>, response: WatchResponse): void {
  const { watch_id, created, canceled, compact_revision, cancel_reason, events } = response;
  const lines = said.get(watch_id) ?? [];
  said.set(watch_id, lines);
  if (created) lines.push(`created ${canceled} ${cancel_reason}`);
  else if (canceled) lines.push(`canceled ${compact_revision}`);
  for (const event of events) {
    const { type, kv } = event;
    lines.push(`${type} ${JSON.stringify(plain(kv))}`);
  }
}

const countOf = (said: Map<string, string[]>): number =>
  [...said.values()].reduce((sum, { length }) => sum + length, 0);

export function createModel(users?: Parameters<typeof createUsers>[1], forgetsDeletes = false): Model {
  const now = (): number => performance.now();
  const store = createStore((changes) => {
    for (const change of changes) state.leases.attach(change);
    watches.apply(changes);
  }, forgetsDeletes);
  const nobody = { name: '', password: '', prefix: '', end: '', tokenTtlMs: 0, token: 'simple' } as const;
  const state: State = {
    store,
    leases: createLeases(store, now, 1),
    users: createUsers(now, users ?? nobody),
    noSpace: false,
    newLeaseId: () => '0',
  };
  state.users.enabled = users !== undefined;
  const watches = createWatches(
    store,
    () => store.revision,
    (run) => run(),
  );
  const encoded = (method: string, request: object): object => {
    const { requestSerialize, requestDeserialize } = methodOf(method);
    return requestDeserialize(requestSerialize(request));
  };
  return {
    state,
    ask(method, request, token) {
      const { responseSerialize, responseDeserialize } = methodOf(method);
      try {
        const answered = answer(state, { method, request: encoded(method, request), token }, store.revision);
        return replyOf(responseDeserialize(responseSerialize(answered)));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        return { error: error.message.replace('invalid auth token', 'stale token') };
      }
    },
    keepAlive(id) {
      const kept = keepAlive(state, id) as { TTL: string } | undefined;
      return kept && Number(kept.TTL);
    },
    openWatches() {
      const said = new Map<string, string[]>();
      const { responseSerialize, responseDeserialize } = methodOf('Watch');
      const stream: WatchStream = watches.open(
        (response) => hear(said, responseDeserialize(responseSerialize(response)) as WatchResponse),
        () => undefined,
      );
      return {
        said,
        get count() {
          return countOf(said);
        },
        create: (create_request) =>
          stream.create((encoded('Watch', { create_request }) as { create_request: never }).create_request),
        cancel: (id) => stream.cancel(id),
      };
    },
  };
}

/** A watch stream to a real server. */
export async function openWatches(
  client: Etcd3,
): Promise<Heard & { stream: IDuplexStream<IWatchRequest, IWatchResponse> }> {
  const stream = await client.watchClient.watch();
  const said = new Map<string, string[]>();
  stream.on('data', (response) => hear(said, response as unknown as WatchResponse));
  stream.on('error', () => {});
  return {
    stream,
    said,
    get count() {
      return countOf(said);
    },
  };
}

/** How long a real server may take, on a machine that is busy with other things. */
export const patienceMs = 60_000;

/** Waits until no watch of a real server is behind; etcd 3.4 answers a progress request without looking at that. */
export async function readUp({ host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  const until = performance.now() + patienceMs;
  for (;;) {
    const metrics = await (await fetch(`http://${host}:${port}/metrics`)).text();
    const behind = /^etcd_debugging_mvcc_slow_watcher_total (\d+)$/m.exec(metrics)?.[1];
    if (behind === '0') return;
    if (behind === undefined || performance.now() > until) throw new Error(`etcd has watches behind: ${behind}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Whether this release forgets what was deleted at the revision to which history is compacted (etcd-io/etcd#18089). */
export async function forgetsDeletes(): Promise<boolean> {
  // One of its own, for it writes.
  await using server = await startEtcd();
  const client = new Etcd3({ hosts: server.url.replace('etcd://', '') });
  const key = Buffer.from('forgotten');
  await client.kv.put({ key, value: key });
  const { header } = await client.kv.deleteRange({ key });
  await client.kv.compact({ revision: header.revision, physical: true });
  const { stream, said } = await openWatches(client);
  stream.write({ create_request: { key, start_revision: header.revision } } as never);
  const until = performance.now() + patienceMs;
  while (said.size === 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 5));
  await readUp(server);
  // What it has read up is on its way.
  await client.kv.range({ key });
  await new Promise((resolve) => setTimeout(resolve, 100));
  stream.end();
  client.close();
  return [...said.values()].every((lines) => !lines.some((line) => line.startsWith('Delete')));
}

/** Keeps leases alive over one stream, which answers in the order of the requests. */
export interface KeepAlives {
  keep(id: string): Promise<number>;
  end(): void;
}

export async function openKeepAlives(client: Etcd3): Promise<KeepAlives> {
  const stream = await client.leaseClient.leaseKeepAlive();
  const waiting: { resolve(ttl: number): void; reject(error: unknown): void }[] = [];
  stream.on('data', ({ TTL }) => waiting.shift()?.resolve(Number(TTL)));
  stream.on('error', (error) => {
    for (const { reject } of waiting.splice(0)) reject(castGrpcError(error));
  });
  return {
    keep: (ID) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        stream.write({ ID });
      }),
    end: () => stream.end(),
  };
}
