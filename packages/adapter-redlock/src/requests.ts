import { nextTick } from 'node:process';
import {
  evalScript,
  type LockKeys,
  type LuaScript,
  leaveReplica,
  luaScript,
  queueScript,
  type RedisClientBinding,
  unexpectedReply,
} from '@holdfast/redis-protocol';
import type { CircuitBreaker } from './circuit-breaker.ts';
import commonSource from './lua/common.lua';
import sharedVotesSource from './lua/shared-votes.lua';
import votesSource from './lua/votes.lua';
import { type ScriptReply, scriptReply, wasSet } from './replies.ts';

/** A script that takes any number of requests: the script, and which of its keys each request has. */
interface VoteScript extends LuaScript {
  keysOf(keys: LockKeys): readonly string[];
}

/** Exclusive votes, alone in one key. */
export const exclusiveVotes: VoteScript = /* @__PURE__ */ Object.assign(luaScript(commonSource + votesSource), {
  keysOf: ({ lock, fence }: LockKeys) => [lock, fence],
});
/** Shared votes and those for permits. */
export const claimVotes: VoteScript = /* @__PURE__ */ Object.assign(queueScript(commonSource + sharedVotesSource), {
  keysOf: ({ lock, queue, places, fence }: LockKeys) => [lock, queue, places, fence],
});

// Longer scripts would keep other clients of the server waiting.
const mostAtOnce = 64;

/** What the script takes, for one request: see `votes.lua` and `shared-votes.lua`. */
export type RequestArgs = readonly string[];

/** What the script says when it does not say that it failed. */
type Decision = Exclude<ScriptReply, { readonly kind: 'error' }>;

/** Gets the script's reply; `resent` when the client may have sent the request twice. */
export type Reply = (reply: Decision | undefined, error: unknown, resent: boolean) => void;

/** One request of a node. */
export interface NodeRequest {
  readonly keys: LockKeys;
  readonly args: RequestArgs;
  /**
   * Sends a command that costs the server less, for the usual case, where nothing else goes out with it. If it answers neither
   * a number above 0 nor an error, it has changed nothing, and the script is asked.
   */
  readonly alone?: ((read: (reply: unknown) => void, fail: (error: unknown) => void) => void) | undefined;
}

/** A node's requests: those of one turn of the event loop go out together, in order, as one command. */
export interface Requests {
  add(request: NodeRequest, reply: Reply): void;
}

interface Waiting {
  readonly request: NodeRequest;
  readonly reply: Reply;
}

/** What one node is sent in one turn: each script has requests of its own, and they go out in the order in which they were made. */
export interface Turn {
  /** Sends those that wait. */
  flush?: (() => void) | undefined;
}

export function createRequests(
  client: RedisClientBinding,
  breaker: CircuitBreaker,
  script: VoteScript,
  turn: Turn,
): Requests {
  let waiting: Waiting[] = [];

  function flush(): void {
    const sent = waiting;
    if (sent.length === 0) return;
    waiting = [];
    turn.flush = undefined;
    const [first] = sent as [Waiting];
    if (sent.length > 1 || first.request.alone === undefined) askScript(client, breaker, script, sent, client.resends);
    else askAlone(client, breaker, script, first);
  }

  return {
    add(request, reply) {
      if (waiting.length === 0) {
        // A shared vote must not overtake the release of an exclusive one.
        turn.flush?.();
        turn.flush = flush;
        // After everything else that this turn sends.
        nextTick(flush);
      }
      waiting.push({ request, reply });
      if (waiting.length >= mostAtOnce) flush();
    },
  };
}

function askAlone(client: RedisClientBinding, breaker: CircuitBreaker, script: VoteScript, sent: Waiting): void {
  const before = client.resends;
  breaker.sent();
  sent.request.alone?.(
    (result) => {
      breaker.answered();
      const reply = decoded(result, client);
      if (reply instanceof Error) sent.reply(undefined, reply, true);
      else if (reply.kind !== 'count' || reply.count > 0) sent.reply(reply, undefined, client.resends !== before);
      // A command in a client's offline queue would be sent after its caller gave up (H27), and over a new connection the release
      // may have been sent already (H111).
      else if (!client.ready || client.resends !== before)
        sent.reply(undefined, new Error('the connection broke'), true);
      else askScript(client, breaker, script, [sent], before);
    },
    (error) => {
      breaker.answered();
      leaveReplica(client, error);
      sent.reply(undefined, error, true);
    },
  );
}

function askScript(
  client: RedisClientBinding,
  breaker: CircuitBreaker,
  script: VoteScript,
  sent: readonly Waiting[],
  before: number,
): void {
  const command = [script.sha, ''];
  for (const { request } of sent) command.push(...script.keysOf(request.keys));
  command[1] = String(command.length - 2);
  for (const { request } of sent) command.push(...request.args);
  breaker.sent();
  const fail = (error: unknown): void => {
    breaker.answered();
    for (const { reply } of sent) reply(undefined, error, true);
  };
  void evalScript(
    client,
    script,
    command,
    undefined,
    (result) => {
      if (sent.length > 1 && !(Array.isArray(result) && result.length === sent.length)) {
        return fail(unexpectedReply(result, 'a script of the votes', client.name));
      }
      breaker.answered();
      const resent = client.resends !== before;
      const results = sent.length === 1 ? [result] : (result as unknown[]);
      for (const [i, { reply }] of sent.entries()) {
        const answer = decoded(results[i], client);
        if (answer instanceof Error) reply(undefined, answer, true);
        else reply(answer, undefined, resent);
      }
    },
    fail,
  );
}

/** Sends a `SET … NX`, and replies 1 when it was set, 0 when there is something. */
export function setIfFree(
  client: RedisClientBinding,
  args: readonly string[],
  read: (reply: unknown) => void,
  fail: (error: unknown) => void,
): void {
  client.call('set', args).then((reply) => {
    const set = wasSet(reply);
    if (set === undefined) fail(unexpectedReply(reply, 'SET', client.name));
    else read(set ? 1 : 0);
  }, fail);
}

/** The reply, or why it is none. */
function decoded(reply: unknown, client: RedisClientBinding): Decision | Error {
  try {
    const answer = scriptReply(reply, client.name);
    if (answer.kind !== 'error') return answer;
    const error = new Error(answer.words);
    leaveReplica(client, error);
    return error;
  } catch (error) {
    return error as Error;
  }
}
