import { createHash } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { afterSending, isAccessRefusal, type ServerKind } from './errors.ts';
import type { LockKeys } from './keys.ts';
import acquireSource from './lua/acquire.lua';
import askSource from './lua/ask.lua';
import beatSource from './lua/beat.lua';
import downgradeSource from './lua/downgrade.lua';
import handOnSource from './lua/hand-on.lua';
import inspectSource from './lua/inspect.lua';
import keysSource from './lua/keys.lua';
import queueSource from './lua/queue.lua';
import releaseSource from './lua/release.lua';
import renewSource from './lua/renew.lua';
import renewSharedSource from './lua/renew-shared.lua';
import rightsSource from './lua/rights.lua';
import tokensSource from './lua/tokens.lua';
import usualAcquireSource from './lua/usual-acquire.lua';
import usualReleaseSource from './lua/usual-release.lua';
import type { RedisClientBinding } from './redis-client.ts';
import { expectText, textOf, unexpectedReply } from './replies.ts';

/** A Lua script and the SHA-1 under which a server caches it. */
export interface LuaScript {
  readonly source: string;
  readonly sha: string;
}

/** Prepares a script. The SHA is computed here, so that SCRIPT LOAD is never sent. */
export function luaScript(source: string): LuaScript {
  return { source, sha: createHash('sha1').update(source).digest('hex') };
}

/**
 * Runs a script by its SHA, or by its source on a server that does not know it (after a restart, a failover or SCRIPT FLUSH: H16).
 * `keys` are all keys that it uses (H18); on a cluster, all of one slot. Rejects with the client's error.
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
 * The hot path of `runScript`. `command` has all arguments of EVALSHA. It takes a single promise, which `read` or `fail` settles. If
 * the server does not know the script and `command` is a function, it is called again, since the first command may be outdated.
 */
export function evalScript<T>(
  client: RedisClientBinding,
  script: LuaScript,
  command: readonly string[] | (() => readonly string[]),
  key: string | undefined,
  read: (reply: unknown) => T,
  fail: (error: unknown) => T,
): Promise<T> {
  return client.call('evalsha', wordsOf(command), key).then(read, (error: unknown) => {
    if (isUnknownScript(error)) return sendSource(client, script, wordsOf(command), key, read, fail);
    leaveReplica(client, error);
    return fail(error);
  });
}

export const wordsOf = (command: readonly string[] | (() => readonly string[])): readonly string[] =>
  typeof command === 'function' ? command() : command;

/** A script that was not found did not run, so sending it again is safe. */
export const isUnknownScript = (error: unknown): boolean =>
  error instanceof Error && error.message.startsWith('NOSCRIPT');

/** Runs a script with its source. */
export function sendSource<T>(
  client: RedisClientBinding,
  script: LuaScript,
  command: readonly string[],
  key: string | undefined,
  read: (reply: unknown) => T,
  fail: (error: unknown) => T,
): Promise<T> {
  return client.call('eval', [script.source, ...command.slice(1)], key).then(read, (error: unknown) => {
    leaveReplica(client, error);
    return fail(afterSending(error, 'a script was sent', client.name));
  });
}

const leftAt = new WeakMap<RedisClientBinding, number>();

/** Reconnects if `error` says that the server is a replica, as after a failover behind one address. At most once a second. */
export function leaveReplica(client: RedisClientBinding, error: unknown): void {
  if (!(error instanceof Error && error.message.includes('READONLY '))) return;
  const now = performance.now();
  if (client.reconnect === undefined || now - (leftAt.get(client) ?? Number.NEGATIVE_INFINITY) < 1_000) return;
  leftAt.set(client, now);
  client.reconnect();
}

/** Reads the server's `run_id`. Two connections with the same `run_id` lead to the same server (H35). */
export async function readRunId(client: RedisClientBinding): Promise<string> {
  const info = expectText(await client.call('info', ['server']), 'INFO server', client.name);
  const runId = /^run_id:(\w+)/m.exec(info)?.[1];
  if (runId === undefined) throw new Error('The server did not report its run_id (INFO server).');
  return runId;
}

/** Asks the server for its version, and whether it is a sentinel. */
export async function readServerKind(client: RedisClientBinding): Promise<ServerKind> {
  const info = await client.call('info', ['server']).then(textOf, () => undefined);
  const field = (name: string): string | undefined => new RegExp(`^${name}:(\\S+)`, 'm').exec(info ?? '')?.[1];
  return { version: field('redis_version'), mode: field('redis_mode') };
}

/** What a script of the queue does before all of that is there, the first of them in its usual case. */
interface Before {
  readonly keys?: string;
  readonly tokens?: string;
  readonly queue?: string;
}

/**
 * A queue script contains the token functions and the grant rule. The usual case comes before them: Lua recreates all functions
 * of a script in each run, which costs as much as a few commands.
 */
const withQueue = (rest: string, { keys = '', tokens = '', queue = '' }: Before = {}): LuaScript =>
  luaScript(keys + keysSource + tokens + tokensSource + queue + queueSource + rest);

/** Builds a script of another protocol that stores the holders of shared locks and permits as a single Redis does. */
export const queueScript = (rest: string): LuaScript => withQueue(rest);

/** The server's errors for a user without all the permissions that a lock needs, by the kind of lock. */
export interface MissingRights {
  readonly alone: Error | undefined;
  /** For shared locks and permits. */
  readonly amongOthers: Error | undefined;
}

// A function that the usual case does not create.
const rightsFirst = `
if ARGV[9] then${rightsSource}
  local refused = missingRight(ARGV[6])
  if refused then return refused end
end
`;

const rightsScript = /* @__PURE__ */ luaScript(
  `${keysSource}${rightsSource}return { (missingRight('x') or {}).err or '', (missingRight('s') or {}).err or '' }`,
);

// Of keys, not of a command.
const otherKeys = /^NOPERM .*permissions to access/;

/** Tests the permissions to renew and release locks. Writes nothing. Reports nothing for a user who may not use these keys at all. */
export async function readMissingRights(
  client: RedisClientBinding,
  { lock, queue, places }: LockKeys,
): Promise<MissingRights> {
  const reply = await runScript(client, rightsScript, [lock, queue, places], []).catch((error: unknown) => {
    if (error instanceof Error && otherKeys.test(error.message)) return ['', ''];
    throw error;
  });
  const [alone, amongOthers] = Array.isArray(reply) ? reply.map((words) => textOf(words)) : [];
  if (alone === undefined || amongOthers === undefined) throw unexpectedReply(reply, 'the rights script', client.name);
  // Any other refusal may pass: a replica becomes the primary.
  const errorOf = (words: string): Error | undefined => (isAccessRefusal(words) ? new Error(words) : undefined);
  return { alone: errorOf(alone), amongOthers: errorOf(amongOthers) };
}

type ScriptName = 'acquire' | 'renew' | 'renewShared' | 'release' | 'beat' | 'downgrade' | 'inspect';

/** The scripts of the lock protocol; each file says what its keys, arguments and replies are. */
export const scripts: Record<ScriptName, LuaScript> = {
  acquire: /* @__PURE__ */ withQueue(askSource, {
    keys: usualAcquireSource,
    tokens: rightsFirst,
    queue: acquireSource,
  }),
  renew: /* @__PURE__ */ luaScript(renewSource),
  renewShared: /* @__PURE__ */ withQueue(renewSharedSource),
  release: /* @__PURE__ */ withQueue(handOnSource, { keys: usualReleaseSource, tokens: releaseSource }),
  beat: /* @__PURE__ */ withQueue(beatSource),
  downgrade: /* @__PURE__ */ withQueue(downgradeSource, { tokens: rightsSource }),
  inspect: /* @__PURE__ */ withQueue(inspectSource),
};
