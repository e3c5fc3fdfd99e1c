import { LockError } from '@holdfast/lock-core';
import {
  lockKeys,
  type MissingRights,
  type RedisClientBinding,
  readMissingRights,
  textOf,
} from '@holdfast/redis-protocol';
import type { CircuitBreaker } from './circuit-breaker.ts';

/** What a server tells of itself. */
interface ServerInfo {
  readonly runId: string;
  /** Its clock in µs; `undefined` where it does not tell. */
  readonly micros: number | undefined;
}

/** One node, as it was last seen. */
interface KnownNode {
  /** Its connection, when it was asked. */
  connection: string | undefined;
  runId: string | undefined;
  /** Its server counts as this node, and as no other. */
  distinct: boolean;
  /** Its clock against the monotonic one, in µs. */
  offsetMicros: number | undefined;
  /** What its user may not do. */
  missing: MissingRights | undefined;
  check: Promise<void> | undefined;
}

/**
 * Sees to it that every vote comes from a server of its own: one server with two votes makes a majority of one (H35). A name
 * may lead to another server after each reconnect (H119), so no vote counts before the server behind the present connection has
 * told who it is. It tells its time along with it, which is what tokens are made of: the client's clock may be far off (H118).
 */
export interface ServerIdentities {
  /** Whether the server behind the present connection of node `i` is known. */
  known(i: number): boolean;
  /** Asks the server behind node `i` who it is; rejects when it does not say, or must not be a node. */
  check(i: number): Promise<void>;
  /** Why node `i` must not vote now: it leads to the server of another one. */
  refusal(i: number): LockError | undefined;
  /** What the user of node `i` may not do, in the server's words: it could not take its vote back (H115). */
  missingRight(i: number, kind: keyof MissingRights): Error | undefined;
  /** Grows when a node gives its server up: what was asked for before may come from one server twice. */
  readonly moves: number;
  /** The servers' time in µs, as most of them have it; 0 before one has told. */
  micros(): number;
}

// Later than any clock that is merely wrong, and low enough that tokens stay exact numbers for long.
const latestMicros = 2 ** 52;

const nobodysKey = 'holdfast:hello';

export function createServerIdentities(
  clients: readonly RedisClientBinding[],
  breakers: readonly CircuitBreaker[],
  now: () => number,
  prefix: string,
): ServerIdentities {
  const nodes: KnownNode[] = clients.map(() => ({
    connection: undefined,
    runId: undefined,
    distinct: false,
    offsetMicros: undefined,
    missing: undefined,
    check: undefined,
  }));
  const nodeOf = new Map<string, number>();
  let moves = 0;
  let offsetMicros: number | undefined;

  /** Gives the node its server, unless that is another node's. */
  function claim(i: number, runId: string): boolean {
    const other = nodeOf.get(runId);
    if (other !== undefined && other !== i) return false;
    nodeOf.set(runId, i);
    return true;
  }

  function settle(i: number, connection: string, { runId, micros }: ServerInfo, sentAt: number): void {
    const node = nodes[i]!;
    if (node.runId !== runId && node.distinct) {
      nodeOf.delete(node.runId!);
      moves += 1;
    }
    node.connection = connection;
    node.runId = runId;
    node.distinct = claim(i, runId);
    // Counted from the send, it is rather ahead than behind: a token that is too low costs a round.
    if (micros !== undefined && micros < latestMicros) node.offsetMicros = micros - sentAt * 1_000;
    const offsets = nodes.flatMap((one) => one.offsetMicros ?? []).sort((a, b) => a - b);
    // A minority of wrong clocks is outvoted; of two the earlier one, since a token that is too low is soon put right.
    offsetMicros = offsets[Math.ceil(offsets.length / 2) - 1];
  }

  async function ask(i: number): Promise<void> {
    const client = clients[i]!;
    const connection = connectionOf(client);
    const sentAt = now();
    breakers[i]!.sent();
    let info: ServerInfo;
    try {
      info = readInfo(await client.call('info', ['server']));
      nodes[i]!.missing = await readMissingRights(client, lockKeys(prefix, client.keyPrefix)(nobodysKey));
    } finally {
      breakers[i]!.answered();
    }
    if (connectionOf(client) !== connection) throw new Error('the connection broke');
    settle(i, connection, info, sentAt);
  }

  return {
    known: (i) => nodes[i]!.connection === connectionOf(clients[i]!),
    check(i) {
      const node = nodes[i]!;
      node.check ??= ask(i).finally(() => {
        node.check = undefined;
      });
      return node.check;
    },
    refusal(i) {
      const node = nodes[i]!;
      if (node.distinct || node.runId === undefined) return undefined;
      // The other one may have moved on.
      node.distinct = claim(i, node.runId);
      return node.distinct ? undefined : sameServer(i, nodeOf.get(node.runId)!, node.runId);
    },
    missingRight: (i, kind) => nodes[i]!.missing?.[kind],
    get moves() {
      return moves;
    },
    micros: () => (offsetMicros === undefined ? 0 : now() * 1_000 + offsetMicros),
  };
}

/** Another value after each reconnect. A client's binding of another package may not tell. */
export const connectionOf = (client: RedisClientBinding): string => client.connectionOf?.('') ?? '';

function sameServer(one: number, other: number, runId: string): LockError {
  return new LockError(
    'LOCK_INVALID_ARGUMENT',
    `Redlock nodes ${Math.min(one, other) + 1} and ${Math.max(one, other) + 1} are the same Redis server (run_id ${runId}), ` +
      'so one server would have two votes. Give each node a server of its own; two databases of one server are one server.',
  );
}

/** @throws LockError for a server that cannot be a node. */
function readInfo(reply: unknown): ServerInfo {
  const info = textOf(reply) ?? '';
  const field = (name: string): string | undefined => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1];
  const [runId, mode, version, micros] = ['run_id', 'redis_mode', 'redis_version', 'server_time_usec'].map(field);
  if (runId === undefined) {
    throw new LockError(
      'LOCK_UNSUPPORTED',
      'the server does not tell its run_id (INFO server), so it may be a node twice.',
    );
  }
  if (mode !== undefined && mode !== 'standalone') {
    throw new LockError('LOCK_INVALID_ARGUMENT', `is a Redis ${mode} server. A node must be a single server.`);
  }
  const [major = 7, minor = 0] = version?.split('.').map(Number) ?? [];
  if (major < 6 || (major === 6 && minor < 2)) {
    throw new LockError('LOCK_UNSUPPORTED', `is Redis ${version}; Redlock needs Redis 6.2 or later.`);
  }
  return { runId, micros: micros === undefined ? undefined : Number(micros) };
}

/** `promise`, unless `signal` aborts first. */
export function orAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
