import { LockError } from '@holdfast/lock-core';

// What a client hands out for one and the same reply depends on its options: numbers come as text with ioredis'
// stringNumbers, text as Buffers with a type mapping of node-redis, and RESP3 has more types than RESP2. This is the only
// place that reads replies; a reply of any other type is an error and never a grant (H114).

/** The text of a reply; `undefined` if the reply is not a text. */
export function textOf(reply: unknown): string | undefined {
  if (typeof reply === 'string') return reply;
  if (Buffer.isBuffer(reply)) return reply.toString();
  if (reply instanceof Uint8Array) return Buffer.from(reply).toString();
  // A verbatim string of node-redis.
  return reply instanceof String ? String(reply) : undefined;
}

/** The integer of a reply; `undefined` if the reply is not an integer. */
export function integerOf(reply: unknown): number | undefined {
  if (typeof reply === 'number') return Number.isSafeInteger(reply) ? reply : undefined;
  if (typeof reply === 'bigint') return Number.isSafeInteger(Number(reply)) ? Number(reply) : undefined;
  const text = textOf(reply);
  if (text === undefined || !/^-?\d{1,16}$/.test(text)) return undefined;
  return Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}

/** The text of the reply to `command`. @throws LockError LOCK_BACKEND for any other reply, as `unexpectedReply` */
export function expectText(reply: unknown, command: string, client: string, key?: string): string {
  const text = textOf(reply);
  if (text === undefined) throw unexpectedReply(reply, command, client, key);
  return text;
}

/** The integer of the reply to `command`. @throws LockError LOCK_BACKEND for any other reply, as `unexpectedReply` */
export function expectInteger(reply: unknown, command: string, client: string, key?: string): number {
  const integer = integerOf(reply);
  if (integer === undefined) throw unexpectedReply(reply, command, client, key);
  return integer;
}

/**
 * The error for a reply of a type or form that `command` never has. It is not retryable, since a repeated command would get the same
 * reply. But the command was carried out, so an acquire with this answer may have been granted (H115).
 */
export function unexpectedReply(reply: unknown, command: string, client: string, key?: string): LockError {
  return new LockError(
    'LOCK_BACKEND',
    `Redis (${client}) answered ${command} with ${describe(reply)}, which the lock protocol does not expect. ` +
      'Check the options of the client that change replies, such as reply transformers, and anything between it and Redis.',
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
  | { readonly kind: 'granted'; readonly last: number; readonly count: number }
  | { readonly kind: 'busy'; readonly remainingMs: number }
  | { readonly kind: 'queued'; readonly ticket: string; readonly remainingMs: number }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'fence' }
  /** Nothing was done, and all keys are needed. */
  | { readonly kind: 'more' }
  /** The key is in use as the other kind, or with this limit. */
  | { readonly kind: 'other use'; readonly limit: string | undefined };

const queued = /^q (\d{1,16}) (-?\d{1,16})$/;
const otherUse = /^(?:kind|limit (\d{1,16}))$/;

/** Reads the reply of the acquire script. A grant always has two numbers, so that a number as text is never taken for one. */
export function readAcquireReply(reply: unknown, client: string, key: string): AcquireReply {
  const text = textOf(reply);
  const granted = text === undefined ? undefined : readGrant(text);
  if (granted !== undefined) return granted;
  const remainingMs = integerOf(reply);
  if (remainingMs !== undefined) return { kind: 'busy', remainingMs };
  if (text === 'foreign' || text === 'fence' || text === 'more') return { kind: text };
  const place = queued.exec(text ?? '');
  if (place !== null) return { kind: 'queued', ticket: place[1]!, remainingMs: Number(place[2]) };
  const other = otherUse.exec(text ?? '');
  if (other !== null) return { kind: 'other use', limit: other[1] };
  throw unexpectedReply(reply, 'the acquire script', client, key);
}

/** Reads 'last count'. A pattern, and its groups, would take as long as making the request. */
function readGrant(text: string): AcquireReply | undefined {
  const space = text.indexOf(' ');
  const last = readDigits(text, 0, space);
  const count = readDigits(text, space + 1, text.length);
  return last === undefined || count === undefined ? undefined : { kind: 'granted', last, count };
}

/** The number that 1 to 16 digits are. */
function readDigits(text: string, from: number, to: number): number | undefined {
  if (to <= from || to > from + 16) return undefined;
  let number = 0;
  for (let i = from; i < to; i += 1) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return undefined;
    number = 10 * number + digit;
  }
  return number;
}

/** Reads the reply of the beat script, one for each of `count` places. */
export function readBeatReply(reply: unknown, count: number, client: string): readonly unknown[] {
  if (!Array.isArray(reply) || reply.length !== count) throw unexpectedReply(reply, 'the beat script', client);
  return reply;
}

/** The error in a reply of the beat script to one place. */
export function errorIn(reply: unknown): Error | undefined {
  const text = textOf(reply);
  return text?.startsWith('!') ? new Error(text.slice(1)) : undefined;
}

/** The owner IDs of a message, or of a reply, that names who was granted the lock: a line for each, behind its tokens. */
export function grantedOwners(text: string): string[] {
  return text.split('\n').flatMap((line) => /^\d+ \d+ (.+)$/.exec(line)?.[1] ?? []);
}

/** What the release script answers. */
export interface ReleaseReply {
  /** `more`: nothing was done, and all keys are needed. */
  readonly outcome: 'released' | 'not-held' | 'foreign' | 'more';
  /** To whom it gave the lock. */
  readonly granted: readonly string[];
}

const released = /^(-1|0|1|more)(?:\n([\s\S]+))?$/;
const outcomes = { '1': 'released', '0': 'not-held', '-1': 'foreign', more: 'more' } as const;
const releasedToNobody: ReleaseReply = { outcome: 'released', granted: [] };

/** Reads the reply of the release script. */
export function readReleaseReply(reply: unknown, client: string, key: string): ReleaseReply {
  // Nearly always.
  if (reply === '1') return releasedToNobody;
  const parts = released.exec(textOf(reply) ?? String(integerOf(reply)));
  if (parts === null) throw unexpectedReply(reply, 'the release script', client, key);
  const outcome = outcomes[parts[1] as keyof typeof outcomes];
  return { outcome, granted: parts[2] === undefined ? [] : grantedOwners(parts[2]) };
}

/** Reads the reply of the renew script, one character for each of `count` holds. */
export function readRenewReply(reply: unknown, count: number, client: string, key: string): string {
  // A client that makes numbers of what looks like one would lose leading zeros, and digits of long ones.
  const text = textOf(reply);
  if (text === undefined || text.length !== count || !/^[01fs]*$/.test(text)) {
    throw unexpectedReply(reply, 'the renew script', client, key);
  }
  return text;
}

/** What the inspect script answers: nothing for a free key. */
export type InspectReply =
  | { readonly kind: 'free' }
  | { readonly kind: 'foreign' }
  | {
      readonly kind: 'held';
      readonly owner: string;
      readonly remainingMs: number;
      readonly block: string;
      readonly claim: string;
      readonly limit: number;
      readonly waiters: number;
      /** When it was granted, in us by the server's clock. */
      readonly sinceUs: number | undefined;
      /** All who hold it. */
      readonly owners: readonly string[];
    };

/** Reads the reply of the inspect script. */
export function readInspectReply(reply: unknown, client: string, key: string): InspectReply {
  if (textOf(reply) === 'foreign') return { kind: 'foreign' };
  if (!Array.isArray(reply)) throw unexpectedReply(reply, 'the inspect script', client, key);
  if (reply.length === 0) return { kind: 'free' };
  const [owner, block, claim, since] = [reply[0], reply[2], reply[3], reply[6]].map(textOf);
  const [remainingMs, limit, waiters] = [reply[1], reply[4], reply[5]].map(integerOf);
  const owners = reply.slice(7).map(textOf);
  if (
    owner === undefined ||
    remainingMs === undefined ||
    block === undefined ||
    claim === undefined ||
    limit === undefined ||
    waiters === undefined ||
    since === undefined ||
    owners.includes(undefined)
  ) {
    throw unexpectedReply(reply, 'the inspect script', client, key);
  }
  const sinceUs = /^\d+$/.test(since) ? Number(since) : undefined;
  return { kind: 'held', owner, remainingMs, block, claim, limit, waiters, sinceUs, owners: owners as string[] };
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

/** The first token of a block. Tokens stay below 2^53, so numbers are exact. */
export function firstToken(last: number, count: number): bigint {
  return BigInt(last - count + 1);
}
