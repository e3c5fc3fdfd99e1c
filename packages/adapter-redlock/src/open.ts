import { type LockAdapter, LockError } from '@holdfast/lock-core';
import { checkRedisTarget, type RedisClientBinding } from '@holdfast/redis-protocol';
import { redlockAdapter } from './adapter.ts';
import type { RedlockOptions } from './options.ts';

/** The servers to connect to, for `openRedlock`. */
export interface RedlockTarget {
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly tls?: boolean | undefined;
  /** The client library. Default: ioredis if `@holdfast/adapter-ioredis` is installed, otherwise node-redis. */
  readonly client?: 'ioredis' | 'node-redis' | undefined;
  readonly options?: RedlockOptions | undefined;
}

type Connect = (node: object) => RedisClientBinding;

interface ClientPackage {
  /** What must be installed: our package, and the client library below it. */
  readonly packages: readonly [string, string];
  load(): Promise<Connect>;
}

const clients: Record<'ioredis' | 'node-redis', ClientPackage> = {
  ioredis: {
    packages: ['@holdfast/adapter-ioredis', 'ioredis'],
    load: async () => {
      const { connectIoredis, ioredisBinding } = await import('@holdfast/adapter-ioredis');
      return (node) =>
        ioredisBinding(connectIoredis(node as Parameters<typeof connectIoredis>[0]), { ownsClient: true });
    },
  },
  'node-redis': {
    packages: ['@holdfast/adapter-node-redis', 'redis'],
    load: async () => {
      const { connectNodeRedis, nodeRedisBinding } = await import('@holdfast/adapter-node-redis');
      return (node) =>
        nodeRedisBinding(connectNodeRedis(node as Parameters<typeof connectNodeRedis>[0]), { ownsClient: true });
    },
  },
};

/**
 * Creates an adapter with clients of its own, which `close()` closes at once, even if the servers are down. The clients connect in the
 * background, so if too few servers are up, the first request for a lock reports it. `options` take precedence over those of the target.
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid target or option; LOCK_UNSUPPORTED if no client library is installed (with the
 * install command), or if one cannot be loaded (with the reason as its cause)
 */
export async function openRedlock(target: RedlockTarget, options: RedlockOptions = {}): Promise<LockAdapter> {
  checkRedisTarget({ ...target, kind: 'single' });
  const { nodes, username, password, tls } = target;
  const connect = await loadClient(target.client);
  const bindings: RedisClientBinding[] = [];
  try {
    for (const node of nodes) bindings.push(connect({ kind: 'single', nodes: [node], username, password, tls }));
    return redlockAdapter(bindings, { ...target.options, ...options });
  } catch (error) {
    await Promise.all(bindings.map((binding) => binding.close()));
    throw error;
  }
}

async function loadClient(wanted: RedlockTarget['client']): Promise<Connect> {
  const names = wanted === undefined ? (['ioredis', 'node-redis'] as const) : [wanted];
  for (const name of names) {
    const client = clients[name];
    if (client === undefined) {
      throw new LockError('LOCK_INVALID_ARGUMENT', `The client must be ioredis or node-redis, got ${String(name)}.`);
    }
    try {
      return await client.load();
    } catch (error) {
      if (!isMissing(error, client.packages)) throw cannotBeLoaded(client.packages[0], error);
    }
  }
  const commands = names.map((name) => ['npm install', ...clients[name].packages].join(' '));
  throw new LockError(
    'LOCK_UNSUPPORTED',
    `Redlock needs a Redis client that is not installed: ${commands.join('   or   ')}`,
  );
}

/** Whether one of the packages was not found, rather than something that they need themselves. */
function isMissing(error: unknown, packages: readonly string[]): boolean {
  if (!(error instanceof Error) || (error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') return false;
  return packages.some((name) => error.message.includes(`'${name}'`));
}

function cannotBeLoaded(name: string, cause: unknown): LockError {
  const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
  return new LockError('LOCK_UNSUPPORTED', `The package ${name} is installed but cannot be loaded: ${reason}`, {
    cause,
  });
}

/** For bundled applications: `openLocks(url, { adapters: [redlockAdapterFactory] })`. */
export const redlockAdapterFactory: { readonly name: 'redlock'; readonly open: typeof openRedlock } = {
  name: 'redlock',
  open: openRedlock,
};
