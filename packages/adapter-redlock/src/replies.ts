import { integerOf, textOf, unexpectedReply } from '@holdfast/redis-protocol';
import type { Vote } from './protocol/node.ts';

/** What `votes.lua` and `rollback-vote.lua` reply. */
export type ScriptReply =
  | Extract<Vote, { kind: 'held' | 'low' }>
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
  throw unexpectedReply(reply, 'a script of the votes', client);
}
