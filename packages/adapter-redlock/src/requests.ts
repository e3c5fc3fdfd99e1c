import { evalScript, type LockKeys, luaScript, type RedisClientBinding } from '@holdfast/redis-protocol';
import type { CircuitBreaker } from './circuit-breaker.ts';
import votesSource from './lua/votes.lua';

const votes = /* @__PURE__ */ luaScript(votesSource);

// Longer scripts would keep other clients of the server waiting.
const mostAtOnce = 64;

/** Owner, first and last proposed token, the lock's TTL or what to take back, and the number of own subscriptions. */
export type RequestArgs = readonly [string, string, string, string, string];

/** Gets the script's reply; `resent` when the client may have sent the request twice. */
export type Reply = (reply: unknown, error: unknown, resent: boolean) => void;

/** One request of a node. */
export interface NodeRequest {
  readonly keys: LockKeys;
  readonly args: RequestArgs;
  /**
   * Sends a command that costs the server less, for the usual case, where nothing else goes out with it. What it answers other
   * than OK or a number above 0 has changed nothing, and the script is asked.
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

export function createRequests(client: RedisClientBinding, breaker: CircuitBreaker): Requests {
  let waiting: Waiting[] = [];

  function flush(): void {
    const sent = waiting;
    if (sent.length === 0) return;
    waiting = [];
    const [{ request, reply }] = sent as [Waiting];
    if (sent.length > 1 || request.alone === undefined) askScript(sent, client.resends);
    else askAlone(request, reply);
  }

  function askAlone(request: NodeRequest, reply: Reply): void {
    const before = client.resends;
    breaker.sent();
    request.alone?.(
      (result) => {
        breaker.answered();
        if (result === 'OK') reply(1, undefined, client.resends !== before);
        else if (typeof result === 'number' && result > 0) reply(result, undefined, client.resends !== before);
        // A command in a client's offline queue would be sent after its caller gave up (H27).
        else if (!client.ready) reply(undefined, new Error('the connection broke'), true);
        else askScript([{ request, reply }], before);
      },
      (error) => {
        breaker.answered();
        reply(undefined, error, true);
      },
    );
  }

  function askScript(sent: readonly Waiting[], before: number): void {
    const command = [votes.sha, String(2 * sent.length)];
    for (const { request } of sent) command.push(request.keys.lock, request.keys.fence);
    for (const { request } of sent) command.push(...request.args);
    breaker.sent();
    void evalScript(
      client,
      votes,
      command,
      undefined,
      (result) => {
        breaker.answered();
        const resent = client.resends !== before;
        if (sent.length === 1) sent[0]!.reply(result, undefined, resent);
        else for (const [i, { reply }] of sent.entries()) reply((result as unknown[])[i], undefined, resent);
      },
      (error) => {
        breaker.answered();
        for (const { reply } of sent) reply(undefined, error, true);
      },
    );
  }

  return {
    add(request, reply) {
      // After all that this turn still has to say.
      if (waiting.length === 0) process.nextTick(flush);
      waiting.push({ request, reply });
      if (waiting.length >= mostAtOnce) flush();
    },
  };
}
