import { createHash } from 'node:crypto';
import { afterSending } from './errors.ts';
import acquireSource from './lua/acquire.lua';
import askSource from './lua/ask.lua';
import beatSource from './lua/beat.lua';
import downgradeSource from './lua/downgrade.lua';
import freeSource from './lua/free.lua';
import handOnSource from './lua/hand-on.lua';
import inspectSource from './lua/inspect.lua';
import keysSource from './lua/keys.lua';
import queueSource from './lua/queue.lua';
import releaseSource from './lua/release.lua';
import renewSource from './lua/renew.lua';
import renewSharedSource from './lua/renew-shared.lua';
import tokensSource from './lua/tokens.lua';
import type { RedisClientBinding } from './redis-client.ts';
import { expectText, textOf } from './replies.ts';

/** A Lua script and the SHA-1 under which a server caches it. */
export interface LuaScript {
  readonly source: string;
  readonly sha: string;
}

/** Prepares a script; the SHA is computed here, so no SCRIPT LOAD is ever sent. */
export function luaScript(source: string): LuaScript {
  return { source, sha: createHash('sha1').update(source).digest('hex') };
}

/**
 * Runs a script by its SHA, and with its source on a server that does not know it (restart, failover, SCRIPT FLUSH: H16).
 * `keys` are all keys it touches (H18), of one slot on a cluster. Rejects as the client does.
 */
export function runScript(
  client: RedisClientBinding,
  script: LuaScript,
  keys: readonly string[],
  args: readonly string[],
): Promise<unknown> {
  const same = (reply: unknown) => reply;
  return evalScript(client, script, [script.sha, String(keys.length), ...keys, ...args], keys[0], same, (error) => {
    throw error;
  });
}

/**
 * The hot path of `runScript`: `command` is the whole of EVALSHA's arguments, and there is one promise to the reply, which
 * `read` or `fail` settles.
 */
export function evalScript<T>(
  client: RedisClientBinding,
  script: LuaScript,
  command: readonly string[],
  key: string | undefined,
  read: (reply: unknown) => T,
  fail: (error: unknown) => T,
): Promise<T> {
  const failed = (error: unknown): T => {
    leaveReplica(client, error);
    return fail(error);
  };
  return client.call('evalsha', command, key).then(read, (error: unknown) => {
    // A script that was not found did not run, so sending it again is safe.
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) return failed(error);
    return client
      .call('eval', [script.source, ...command.slice(1)], key)
      .then(read, (second: unknown) => failed(afterSending(second, 'a script was sent', client.name)));
  });
}

const leftAt = new WeakMap<RedisClientBinding, number>();

/** After a failover behind one address a new connection leads to the primary; one attempt a second, for there may be none. */
export function leaveReplica(client: RedisClientBinding, error: unknown): void {
  if (!(error instanceof Error && error.message.includes('READONLY '))) return;
  const now = performance.now();
  if (client.reconnect === undefined || now - (leftAt.get(client) ?? Number.NEGATIVE_INFINITY) < 1_000) return;
  leftAt.set(client, now);
  client.reconnect();
}

/** The server's `run_id`: two connections with the same one talk to the same server (H35). */
export async function readRunId(client: RedisClientBinding): Promise<string> {
  const info = expectText(await client.call('info', ['server']), 'INFO server', client.name);
  const runId = /^run_id:(\w+)/m.exec(info)?.[1];
  if (runId === undefined) throw new Error('The server did not tell its run_id (INFO server).');
  return runId;
}

/** What the server says is its version, `undefined` when it does not say. */
export async function readVersion(client: RedisClientBinding): Promise<string | undefined> {
  const info = await client.call('info', ['server']).then(textOf, () => undefined);
  return /^redis_version:(\S+)/m.exec(info ?? '')?.[1];
}

/**
 * A script of the queue has the tokens, and the grant rule. What is usual comes before them: Lua makes the functions of a script
 * anew in each run, and that costs as much as some commands.
 */
const withQueue = (usual: string, rest: string, afterTokens = ''): LuaScript =>
  luaScript(keysSource + usual + tokensSource + afterTokens + queueSource + rest);

/** A script of another protocol that keeps holders of shared claims and of permits as a single Redis does. */
export const queueScript = (rest: string): LuaScript => withQueue('', rest);

type ScriptName = 'acquire' | 'renew' | 'renewShared' | 'release' | 'beat' | 'downgrade' | 'inspect';

/** The scripts of the lock protocol; each file says what its keys, arguments and replies are. */
export const scripts: Record<ScriptName, LuaScript> = {
  acquire: /* @__PURE__ */ withQueue(freeSource, askSource, acquireSource),
  renew: /* @__PURE__ */ luaScript(renewSource),
  renewShared: /* @__PURE__ */ withQueue('', renewSharedSource),
  release: /* @__PURE__ */ withQueue(releaseSource, handOnSource),
  beat: /* @__PURE__ */ withQueue('', beatSource),
  downgrade: /* @__PURE__ */ withQueue('', downgradeSource),
  inspect: /* @__PURE__ */ withQueue('', inspectSource),
};
