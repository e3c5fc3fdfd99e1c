import { integerOf, textOf, unexpectedReply } from '@holdfast/redis-protocol';
import type { Vote } from './protocol/node.ts';

/** What the scripts of the votes reply. */
export type ScriptReply =
  | Extract<Vote, { kind: 'held' | 'low' }>
  /** A shared vote, with the highest token that the node has seen. */
  | { readonly kind: 'shared'; readonly token: number }
  /** A vote that was given, extended or withdrawn: 1 + the number of others that wait; 0 there was none. */
  | { readonly kind: 'count'; readonly count: number }
  | { readonly kind: 'foreign' | 'fence' }
  /** The server refused a command, in its own words. */
  | { readonly kind: 'error'; readonly words: string };

/** Reads a reply to `SET … NX`: whether it was set; `undefined` for a reply that SET never gives. */
export function wasSet(reply: unknown): boolean | undefined {
  if (reply === 'OK' || textOf(reply) === 'OK') return true;
  return reply === null || reply === undefined ? false : undefined;
}

/**
 * Reads a reply of the scripts, whatever types the client makes of it.
 * @throws LockError LOCK_BACKEND, not retryable, for anything else.
 */
export function scriptReply(reply: unknown, client: string): ScriptReply {
  // Nearly always.
  if (Number.isSafeInteger(reply) && (reply as number) >= 0) return { kind: 'count', count: reply as number };
  if (Array.isArray(reply)) {
    const [holder, remainingMs] = [textOf(reply[0]), integerOf(reply[1])];
    if (reply.length === 2 && holder !== undefined && remainingMs !== undefined)
      return { kind: 'held', holder, remainingMs };
    throw unexpectedReply(reply, 'a script of the votes', client);
  }
  const count = integerOf(reply);
  if (count !== undefined && count >= 0) return { kind: 'count', count };
  const text = textOf(reply) ?? '';
  if (text === 'foreign' || text === 'fence') return { kind: text };
  if (text.startsWith('error ')) return { kind: 'error', words: text.slice(6) };
  const highest = text.startsWith('low ') ? integerOf(text.slice(4)) : undefined;
  if (highest !== undefined) return { kind: 'low', highest };
  const token = text.startsWith('yes ') ? integerOf(text.slice(4)) : undefined;
  if (token !== undefined) return { kind: 'shared', token };
  throw unexpectedReply(reply, 'a script of the votes', client);
}

/** One vote that stands at a node. */
export interface NodeVote {
  readonly owner: string;
  /** The number of its round; `undefined` for a hold of a single Redis. */
  readonly first: number | undefined;
  readonly mode: 'exclusive' | 'shared' | 'permits';
  readonly limit: number | undefined;
  readonly token: number | undefined;
  /** `undefined` without expiry. */
  readonly remainingMs: number | undefined;
}

const modes = { x: 'exclusive', s: 'shared', p: 'permits' } as const;

/**
 * Reads a reply of `standing-votes.lua`: the votes that stand; `undefined` where the key is none of a lock.
 * @throws LockError LOCK_BACKEND, not retryable, for anything else.
 */
export function votesReply(reply: unknown, client: string): readonly NodeVote[] | undefined {
  if (textOf(reply) === 'foreign') return undefined;
  const parts = Array.isArray(reply) ? reply : [];
  const mode = modes[textOf(parts[0]) as keyof typeof modes] as NodeVote['mode'] | undefined;
  if (Array.isArray(reply) && reply.length === 0) return [];
  if (mode === undefined || parts.length < 5 || parts.length % 3 !== 2) {
    throw unexpectedReply(reply, 'a script of the votes', client);
  }
  const limit = mode === 'permits' ? integerOf(parts[1]) : undefined;
  const votes: NodeVote[] = [];
  for (let i = 2; i < parts.length; i += 3) {
    const [owner, info, remainingMs] = [textOf(parts[i]), textOf(parts[i + 1]), integerOf(parts[i + 2])];
    if (owner === undefined || info === undefined || remainingMs === undefined) {
      throw unexpectedReply(reply, 'a script of the votes', client);
    }
    const rest = { mode, limit, remainingMs: remainingMs < 0 ? undefined : remainingMs };
    votes.push(mode === 'exclusive' ? { ...exclusiveVote(owner), ...rest } : { owner, ...amongOthers(info), ...rest });
  }
  return votes;
}

function exclusiveVote(value: string): Pick<NodeVote, 'owner' | 'first' | 'token'> {
  const vote = /^(.*):(\d+)$/s.exec(value);
  const first = vote?.[2] === undefined ? undefined : Number(vote[2]);
  return { owner: vote?.[1] ?? value, first, token: first };
}

function amongOthers(info: string): Pick<NodeVote, 'first' | 'token'> {
  const [, last, count, round] = info.split(' ').map(Number);
  if (last === undefined || count === undefined) return { first: undefined, token: undefined };
  return { first: round, token: last - count + 1 };
}
