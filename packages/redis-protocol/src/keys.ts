import { LockError } from '@holdfast/lock-core';
import { hashTag } from './cluster-slot.ts';

/** The Redis keys of a lock. For every name, they share one cluster slot. */
export interface LockKeys {
  /** The key of the lock; its value is the owner ID. Also the channel on which releases are announced. */
  readonly lock: string;
  /** The key of the fencing tokens. */
  readonly fence: string;
  /** The key of the queue, and of the holders of shared locks and permits. */
  readonly queue: string;
  /** The key of what the waiters and those holders asked for. */
  readonly places: string;
}

/** What begins every fence key. No lock key may begin so. */
const fenceMark = 'fence:';

/**
 * Maps names of locks to keys. Two names never share a key.
 *
 * - The lock key is `prefix + name`, and its fence key is `fence:{prefix + name}`. The other keys are `fence:queue:{…}` and
 *   `fence:places:{…}`, which cannot be fence keys.
 * - A name with a hash tag, `a{t}b`, keeps its tag: the fence key is then `fence:{t}:prefix + name`.
 * - A name with a `}` but no hash tag cannot be a tag itself. Its key is `prefix + '{' + encoded + '}'`, where `%`, `{` and `}` are
 *   percent-encoded. A name that already has this form, `{…%7D…}`, is encoded as well, so that the mapping stays one to one.
 *
 * `clientPrefix` is the prefix that the client itself adds to each key.
 * @throws LockError LOCK_INVALID_ARGUMENT for a prefix that is empty, has braces, or could turn a lock key into a fence key
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
      return new Keys(lock, `${clientPrefix + lock}}`);
    }
    const tag = looksEncoded.test(name) ? undefined : hashTag(name);
    if (tag !== undefined) {
      const lock = prefix + name;
      return new Keys(lock, `${tag}}:${lock}`);
    }
    const encoded = name.replace(/[%{}]/g, percentEncode);
    return new Keys(`${prefix}{${encoded}}`, `${encoded}}:${prefix}{${encoded}}`);
  }
}

const [fenceBegin, queueBegin, placesBegin] = [`${fenceMark}{`, `${fenceMark}queue:{`, `${fenceMark}places:{`];

/** Those beside the lock are made when they are wanted: renewals and most releases need few of them. */
class Keys implements LockKeys {
  readonly lock: string;
  /** The tag of the slot without its opening brace, and what follows it. */
  private readonly tagged: string;

  constructor(lock: string, tagged: string) {
    this.lock = lock;
    this.tagged = tagged;
  }

  get fence(): string {
    return fenceBegin + this.tagged;
  }

  get queue(): string {
    return queueBegin + this.tagged;
  }

  get places(): string {
    return placesBegin + this.tagged;
  }
}

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
  if (/[{}]/.test(prefix)) throw refuse(`The option prefix must not contain braces, got '${prefix}'.`);
  if (/[{}]/.test(clientPrefix)) throw refuse(`The client's keyPrefix must not contain braces, got '${clientPrefix}'.`);
  if (prefix.startsWith(fenceMark) || fenceMark.startsWith(prefix)) {
    throw refuse(`The option prefix must differ from '${fenceMark}', where fencing tokens are kept, got '${prefix}'.`);
  }
}
