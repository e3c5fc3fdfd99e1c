import { LockError } from '@holdfast/lock-core';
import { hashTag } from './cluster-slot.ts';

/** Where the Redis keys of a lock are; they share one cluster slot for every name. */
export interface LockKeys {
  /** Key of the lock; its value is the owner. Also the channel of its releases. */
  readonly lock: string;
  /** Key of the fencing tokens. */
  readonly fence: string;
  /** Key of the queue, and of the holders of shared and permit claims. */
  readonly queue: string;
  /** Key of what they ask for. */
  readonly places: string;
}

/** What begins every fence key. No lock key may begin so. */
const fenceMark = 'fence:';

/**
 * Maps lock names to keys; two names never share a key.
 *
 * - The lock key is `prefix + name`, and its fence key `fence:{prefix + name}`. The others are `fence:queue:{…}` and
 *   `fence:places:{…}`, which no fence key can be.
 * - A name with a hash tag, `a{t}b`, keeps it: the fence key is then `fence:{t}:prefix + name`.
 * - A name with a `}` but no hash tag cannot be a tag itself. Its key is `prefix + '{' + encoded + '}'` with `%`, `{` and
 *   `}` percent-encoded. So is a name that looks like the outcome, `{…%7D…}`; that keeps the mapping one to one.
 *
 * `clientPrefix` is what the client puts before each key by itself.
 * @throws LockError LOCK_INVALID_ARGUMENT for a prefix that is empty, has braces, or could make a lock key a fence key.
 */
export function lockKeys(prefix: string, clientPrefix = ''): (name: string) => LockKeys {
  checkPrefix(prefix, clientPrefix);
  // An operation needs the keys of its lock more than once.
  let lastName: string | undefined;
  let lastKeys: LockKeys | undefined;
  return (name) => {
    if (name === lastName) return lastKeys!;
    lastKeys = keysOf(name);
    lastName = name;
    return lastKeys;
  };

  function keysOf(name: string): LockKeys {
    // Names without a closing brace are the usual case.
    if (name.indexOf('}') < 0) {
      const lock = prefix + name;
      return keysAt(lock, `{${clientPrefix}${lock}}`);
    }
    const tag = looksEncoded.test(name) ? undefined : hashTag(name);
    if (tag !== undefined) {
      const lock = prefix + name;
      return keysAt(lock, `{${tag}}:${lock}`);
    }
    const encoded = name.replace(/[%{}]/g, percentEncode);
    return keysAt(`${prefix}{${encoded}}`, `{${encoded}}:${prefix}{${encoded}}`);
  }
}

const keysAt = (lock: string, rest: string): LockKeys => ({
  lock,
  fence: fenceMark + rest,
  queue: `${fenceMark}queue:${rest}`,
  places: `${fenceMark}places:${rest}`,
});

// Every encoded name has at least one %7D, since only names with a } are encoded.
const looksEncoded = /^\{[^{}]*%7D[^{}]*\}$/;

/** The name whose lock key this is, `undefined` when no name has it: the way back of `lockKeys`. */
export function nameOf(prefix: string, lockKey: string): string | undefined {
  if (!lockKey.startsWith(prefix)) return undefined;
  const rest = lockKey.slice(prefix.length);
  const name = looksEncoded.test(rest) ? decoded(rest.slice(1, -1)) : rest;
  return name !== '' && lockKeys(prefix)(name).lock === lockKey ? name : undefined;
}

/** Only what `percentEncode` made; other percent signs cannot be there, as they are encoded too. */
const decoded = (text: string): string =>
  text.replace(/%(25|7B|7D)/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));

function percentEncode(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

function checkPrefix(prefix: string, clientPrefix: string): void {
  const refuse = (why: string) => new LockError('LOCK_INVALID_ARGUMENT', why);
  if (typeof prefix !== 'string' || prefix === '')
    throw refuse("The option prefix must be a non-empty string, e.g. 'lock:'.");
  if (/[{}]/.test(prefix)) throw refuse(`The option prefix must have no braces, got '${prefix}'.`);
  if (/[{}]/.test(clientPrefix)) throw refuse(`The client's keyPrefix must have no braces, got '${clientPrefix}'.`);
  if (prefix.startsWith(fenceMark) || fenceMark.startsWith(prefix)) {
    throw refuse(`The option prefix must differ from '${fenceMark}', where fencing tokens are kept, got '${prefix}'.`);
  }
}
