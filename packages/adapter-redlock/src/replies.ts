import { LockError } from '@holdfast/lock-core';
import type { Vote } from './protocol/node.ts';

// How client libraries give the texts and numbers of a reply depends on their options and on RESP 2 or 3.

/** A reply that is a text, as a string or as bytes. */
export function textOf(reply: unknown): string | undefined {
  if (typeof reply === 'string') return reply;
  return reply instanceof Uint8Array ? Buffer.from(reply.buffer, reply.byteOffset, reply.length).toString() : undefined;
}

/** A reply that is a whole number, as a number or as digits. */
export function wholeNumberOf(reply: unknown): number | undefined {
  if (typeof reply === 'number') return Number.isSafeInteger(reply) ? reply : undefined;
  if (typeof reply === 'bigint') return wholeNumberOf(Number(reply));
  const text = textOf(reply);
  return text !== undefined && /^-?\d{1,16}$/.test(text) ? wholeNumberOf(Number(text)) : undefined;
}

/** What `votes.lua` and `rollback-vote.lua` reply. */
export type ScriptReply =
  | Extract<Vote, { kind: 'held' | 'low' }>
  /** A vote that was given, extended or withdrawn: 1 + the number of others that wait; 0 there was none. */
  | { readonly kind: 'count'; readonly count: number }
  | { readonly kind: 'foreign' | 'fence' }
  /** The server refused a command, in its own words. */
  | { readonly kind: 'error'; readonly words: string };

/**
 * Reads a reply of the scripts, whatever types the client makes of it.
 * @throws LockError LOCK_BACKEND, not retryable, for anything else.
 */
export function scriptReply(reply: unknown): ScriptReply {
  // Nearly always.
  if (Number.isSafeInteger(reply) && (reply as number) >= 0) return { kind: 'count', count: reply as number };
  if (Array.isArray(reply)) {
    const [holder, remainingMs] = [textOf(reply[0]), wholeNumberOf(reply[1])];
    if (reply.length === 2 && holder !== undefined && remainingMs !== undefined)
      return { kind: 'held', holder, remainingMs };
    throw unexpectedReply(reply);
  }
  const count = wholeNumberOf(reply);
  if (count !== undefined && count >= 0) return { kind: 'count', count };
  const text = textOf(reply) ?? '';
  if (text === 'foreign' || text === 'fence') return { kind: text };
  if (text.startsWith('error ')) return { kind: 'error', words: text.slice(6) };
  const highest = text.startsWith('low ') ? wholeNumberOf(text.slice(4)) : undefined;
  if (highest !== undefined) return { kind: 'low', highest };
  throw unexpectedReply(reply);
}

/** The reply says nothing that a script of this package says. */
export function unexpectedReply(reply: unknown): LockError {
  const shown = textOf(reply) ?? (Array.isArray(reply) ? `an array of ${reply.length}` : String(reply));
  return new LockError(
    'LOCK_BACKEND',
    `unexpected reply of type ${reply === null ? 'null' : typeof reply} (${shown.slice(0, 80)}). ` +
      'Check the reply transformers and type mappings of the client.',
    { retryable: false },
  );
}
