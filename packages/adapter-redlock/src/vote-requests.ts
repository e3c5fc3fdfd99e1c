import type { Claim } from '@holdfast/lock-core';
import {
  claimWords,
  evalScript,
  isAmongOthers,
  type LockKeys,
  luaScript,
  type RedisClientBinding,
} from '@holdfast/redis-protocol';
import rollbackVoteSource from './lua/rollback-vote.lua';
import type { Ballot, HeldVote, OtherUse, StandingVote } from './protocol/node.ts';
import { type NodeRequest, type RequestArgs, setIfFree } from './requests.ts';

const rollbackVoteScript = /* @__PURE__ */ luaScript(rollbackVoteSource);

/** The value of an exclusive vote at a node. It is unique to the round: the owner ID and the proposed token. */
export const voteValue = ({ owner, first }: Pick<StandingVote, 'owner' | 'first'>): string => `${owner}:${first}`;

/** Whether `shared-votes.lua` handles the vote: every claim that is not known to be exclusive. */
export const isOfClaims = (claim: HeldVote['claim']): boolean => claim === 'any' || isAmongOthers(claim);

/** The server, and what is known of its key. */
export interface VoteTerms {
  readonly client: RedisClientBinding;
  readonly keys: LockKeys;
  readonly fencing: boolean;
  /** Whether this process waits for the key. */
  readonly listens: boolean;
}

/** Asks for a vote. */
export function voteRequest(ballot: Ballot, { client, keys, fencing, listens }: VoteTerms): NodeRequest {
  const { owner, claim, first, last, ttlMs } = ballot;
  const ttl = String(ttlMs);
  const lastToken = fencing ? String(last) : '';
  // Only callers that want several tokens hand over inside their process, and ask whether other processes wait.
  const own = claim?.mode === 'shared' || last === first ? '' : listens ? '1' : '0';
  if (isAmongOthers(claim)) return { keys, args: claimArgs('vote', ballot, { last: lastToken, ttl, own, listens }) };
  const isPlain = !fencing && own === '';
  return {
    keys,
    args: [owner, String(first), lastToken, ttl, own],
    alone: isPlain
      ? (read, fail) => setIfFree(client, [keys.lock, voteValue(ballot), 'NX', 'PX', ttl], read, fail)
      : undefined,
  };
}

/** Makes the lease longer, or not as short: `exactly` sets it, also to a shorter one. An exclusive vote is only extended so. */
export function extendRequest(vote: StandingVote, ttlMs: number, exactly: boolean, keys: LockKeys): NodeRequest {
  const { owner, claim, first } = vote;
  const ttl = String(ttlMs);
  if (isAmongOthers(claim)) return { keys, args: claimArgs(exactly ? 'renew' : 'extend', vote, { ttl }) };
  return { keys, args: [owner, String(first), 'extend', ttl, ''] };
}

/** Withdraws the vote of one round. */
export function roundRequest(vote: StandingVote, keys: LockKeys): NodeRequest {
  const { owner, claim, first } = vote;
  if (isAmongOthers(claim)) return { keys, args: claimArgs('round', vote) };
  return { keys, args: [owner, String(first), '', 'round', ''] };
}

/** Withdraws the vote of an owner, of whatever round. */
export function ownerRequest(held: HeldVote, { client, keys, listens }: VoteTerms): NodeRequest {
  const { owner, claim, first } = held;
  const own = listens ? '1' : '0';
  if (isOfClaims(claim)) return { keys, args: claimArgs('owner', held, { own }) };
  return {
    keys,
    args: [owner, String(first ?? ''), '', 'owner', own],
    alone:
      first === undefined
        ? undefined
        : (read, fail) => {
            const command = [rollbackVoteScript.sha, '1', keys.lock, voteValue({ owner, first }), own];
            void evalScript(client, rollbackVoteScript, command, undefined, read, fail);
          },
  };
}

/** Says that a writer waits, or no longer does. */
export function waiterRequest(isWaiting: boolean, keys: LockKeys): NodeRequest {
  return { keys, args: claimArgs(isWaiting ? 'wait' : 'waited', { owner: '', first: 0 }) };
}

interface MoreArgs {
  readonly last?: string;
  readonly ttl?: string;
  readonly own?: string;
  readonly listens?: boolean;
}

type Deed = 'vote' | 'renew' | 'extend' | 'round' | 'owner' | 'wait' | 'waited';

function claimArgs(
  what: Deed,
  { owner, claim, first }: Pick<HeldVote, 'owner' | 'claim' | 'first'>,
  { last = '', ttl = '0', own = '', listens = false }: MoreArgs = {},
): RequestArgs {
  const words = claimWords(claim === 'any' ? undefined : claim);
  return [what, owner, String(first ?? ''), last, ttl, ...words, own, listens ? '1' : ''];
}

/** What stands in the lock's key while readers hold it. */
export const heldByReaders = '(shared)';
// The answer to a request that would overtake a waiter.
const behindWaiter = '(waiting)';

/** What else than this the key is used for, by what is in the way. */
export function otherUseOf(claim: Claim | undefined, holder: string): OtherUse | undefined {
  if (holder === behindWaiter) return undefined;
  const limit = /^\(permits (\d+)\)$/.exec(holder)?.[1];
  const isSame = claim?.mode === 'permits' ? limit === String(claim.limit) : limit === undefined;
  return isSame ? undefined : { limit: limit === undefined ? undefined : Number(limit) };
}
