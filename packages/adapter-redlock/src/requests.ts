import { type LockKeys, luaScript, type RedisClientBinding, runScript } from '@holdfast/redis-protocol';
import votesSource from './lua/votes.lua';
import type { Patience } from './patience.ts';

const votes = /* @__PURE__ */ luaScript(votesSource);

// Longer scripts would keep other clients of the server waiting.
const mostAtOnce = 64;

/** Owner, first and last proposed token, the lock's TTL or what to take back, and the number of own subscriptions. */
export type RequestArgs = readonly [string, string, string, string, string];

/** Gets the script's reply; `resent` when the client may have sent the request twice. */
export type Reply = (reply: unknown, error: unknown, resent: boolean) => void;

/** A node's requests: those of one turn of the event loop go out together, in order, as one command. */
export interface Requests {
  add(keys: LockKeys, request: RequestArgs, reply: Reply): void;
}

export function createRequests(client: RedisClientBinding, patience: Patience): Requests {
  let keys: string[] = [];
  let args: string[] = [];
  let waiting: Reply[] = [];

  function flush(): void {
    if (waiting.length === 0) return;
    const replies = waiting;
    const before = client.resends;
    const answer = runScript(client, votes, keys, args);
    keys = [];
    args = [];
    waiting = [];
    patience.sent();
    answer.then(
      (result) => {
        patience.answered();
        const resent = client.resends !== before;
        if (replies.length === 1) return replies[0]!(result, undefined, resent);
        for (const [i, reply] of replies.entries()) reply((result as unknown[])[i], undefined, resent);
      },
      (error: unknown) => {
        patience.answered();
        for (const reply of replies) reply(undefined, error, true);
      },
    );
  }

  return {
    add(lockKeys, request, reply) {
      // After all that this turn still has to say.
      if (waiting.length === 0) process.nextTick(flush);
      keys.push(lockKeys.lock, lockKeys.fence);
      args.push(...request);
      waiting.push(reply);
      if (waiting.length >= mostAtOnce) flush();
    },
  };
}
