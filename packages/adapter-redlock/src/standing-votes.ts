import { evalScript, type LockKeys, queueScript, type RedisClientBinding } from '@holdfast/redis-protocol';
import standingVotesSource from './lua/standing-votes.lua';
import { type NodeVote, votesReply } from './replies.ts';

const votesScript = /* @__PURE__ */ queueScript(standingVotesSource);

/** The votes that stand at a server; `undefined` where the key is none of a lock. Rejects as the client does. */
export function readVotes(
  client: RedisClientBinding,
  { lock, queue, places }: LockKeys,
): Promise<readonly NodeVote[] | undefined> {
  const command = [votesScript.sha, '3', lock, queue, places];
  const read = (reply: unknown) => votesReply(reply, client.name);
  return evalScript(client, votesScript, command, undefined, read, (error) => {
    throw error;
  });
}
