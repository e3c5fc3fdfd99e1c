import { LockError } from '@holdfast/lock-core';

// What a client hands out for one and the same reply depends on its options: numbers come as text with ioredis'
// stringNumbers, text as Buffers with a type mapping of node-redis, and RESP3 has more types than RESP2. This is the only
// place that reads replies; a reply of any other type is an error and never a grant (H114).

/** The text of a reply, `undefined` when it is none. */
export function textOf(reply: unknown): string | undefined {
  if (typeof reply === 'string') return reply;
  if (Buffer.isBuffer(reply)) return reply.toString();
  if (reply instanceof Uint8Array) return Buffer.from(reply).toString();
  // A verbatim string of node-redis.
  return reply instanceof String ? String(reply) : undefined;
}

/** The integer of a reply, `undefined` when it is none. */
export function integerOf(reply: unknown): number | undefined {
  if (typeof reply === 'number') return Number.isSafeInteger(reply) ? reply : undefined;
  if (typeof reply === 'bigint') return Number.isSafeInteger(Number(reply)) ? Number(reply) : undefined;
  const text = textOf(reply);
  if (text === undefined || !/^-?\d{1,16}$/.test(text)) return undefined;
  return Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}

/** The text of the reply to `command`, or an error. */
export function expectText(reply: unknown, command: string, client: string, key?: string): string {
  const text = textOf(reply);
  if (text === undefined) throw unexpectedReply(reply, command, client, key);
  return text;
}

/** The integer in the reply to `command`, or an error. */
export function expectInteger(reply: unknown, command: string, client: string, key?: string): number {
  const integer = integerOf(reply);
  if (integer === undefined) throw unexpectedReply(reply, command, client, key);
  return integer;
}

/**
 * A reply of a type or form that `command` never has. Asking again gives the same, so it is not retryable; but the command ran,
 * and an acquire that is answered so may have been granted (H115).
 */
export function unexpectedReply(reply: unknown, command: string, client: string, key?: string): LockError {
  return new LockError(
    'LOCK_BACKEND',
    `Redis (${client}) answered ${command} with ${describe(reply)}, which the lock protocol does not expect. ` +
      'Check the options of the client that change replies, such as reply transformers, and what stands between it and Redis.',
    { key, retryable: false, notSent: false },
  );
}

/** The type, and the beginning of a text: a reply may be long, and is not ours to print whole. */
function describe(reply: unknown): string {
  if (reply === null || reply === undefined) return String(reply);
  const text = textOf(reply);
  const type = Array.isArray(reply) ? `an array of ${reply.length}` : `a ${reply.constructor?.name ?? typeof reply}`;
  if (text !== undefined) return `${type} ${JSON.stringify(text.slice(0, 40))}`;
  return typeof reply === 'object' ? type : `${type} ${String(reply)}`;
}

/** What the acquire script answers. */
export type AcquireReply =
  | { readonly kind: 'granted'; readonly last: string; readonly count: number; readonly others: number | undefined }
  | { readonly kind: 'busy'; readonly remainingMs: number }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'fence' };

const grant = /^(\d{1,16}) (\d{1,16})(?: (\d{1,16}))?$/;

/** Reads the reply of the acquire script. A grant always has two numbers, so that a number as text is never taken for one. */
export function readAcquireReply(reply: unknown, client: string, key: string): AcquireReply {
  const text = textOf(reply);
  const parts = text === undefined ? null : grant.exec(text);
  if (parts !== null) {
    const [, last = '', count, others] = parts;
    return { kind: 'granted', last, count: Number(count), others: others === undefined ? undefined : Number(others) };
  }
  const remainingMs = integerOf(reply);
  if (remainingMs !== undefined) return { kind: 'busy', remainingMs };
  if (text === 'foreign' || text === 'fence') return { kind: text };
  throw unexpectedReply(reply, 'the acquire script', client, key);
}

/** Reads the reply of the renew script, one character for each of `count` holds. */
export function readRenewReply(reply: unknown, count: number, client: string, key: string): string {
  // A client that makes numbers of what looks like one would lose leading zeros, and digits of long ones.
  const text = textOf(reply);
  if (text === undefined || text.length !== count || !/^[01f]*$/.test(text)) {
    throw unexpectedReply(reply, 'the renew script', client, key);
  }
  return text;
}

/** What the inspect script answers: nothing for a free key. */
export type InspectReply =
  | { readonly kind: 'free' }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'held'; readonly owner: string; readonly remainingMs: number; readonly block: string };

/** Reads the reply of the inspect script. */
export function readInspectReply(reply: unknown, client: string, key: string): InspectReply {
  if (textOf(reply) === 'foreign') return { kind: 'foreign' };
  if (!Array.isArray(reply)) throw unexpectedReply(reply, 'the inspect script', client, key);
  if (reply.length === 0) return { kind: 'free' };
  const owner = textOf(reply[0]);
  const remainingMs = integerOf(reply[1]);
  const block = textOf(reply[2]);
  if (owner === undefined || remainingMs === undefined || block === undefined) {
    throw unexpectedReply(reply, 'the inspect script', client, key);
  }
  return { kind: 'held', owner, remainingMs, block };
}

/** Reads a page of SCAN: the next cursor, an unsigned 64-bit number, and the keys. */
export function readScanReply(reply: unknown, client: string): { readonly cursor: string; readonly keys: string[] } {
  const [next, found] = Array.isArray(reply) ? reply : [undefined, undefined];
  const cursor = typeof next === 'number' || typeof next === 'bigint' ? String(next) : textOf(next);
  if (cursor === undefined || !/^\d+$/.test(cursor) || !Array.isArray(found)) {
    throw unexpectedReply(reply, 'SCAN', client);
  }
  return { cursor, keys: found.map((key) => expectText(key, 'SCAN', client)) };
}
