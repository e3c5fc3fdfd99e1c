/** Where answers become values: what the server sends is external data, which is checked here. */

/** An answer that no step gives: the outcome of the request is unknown. */
function unexpected(answer: unknown): Error {
  const shown = typeof answer === 'string' ? JSON.stringify(answer.slice(0, 120)) : typeof answer;
  return new Error(`PostgreSQL answered ${shown}, which is not an answer of the lock functions`);
}

/** The words of an answer; throws if it is not text. */
export function wordsOf(answer: unknown): string[] {
  if (typeof answer !== 'string') throw unexpected(answer);
  return answer.split(' ');
}

function numberIn(word: string | undefined, answer: unknown): number {
  const value = Number(word);
  if (word === undefined || word === '' || !Number.isFinite(value)) throw unexpected(answer);
  return value;
}

function integerIn(word: string | undefined, answer: unknown): bigint {
  if (word === undefined || !/^\d+$/.test(word)) throw unexpected(answer);
  return BigInt(word);
}

/** What `ask` answers. */
export type Asked =
  | { readonly status: 'granted'; readonly token: bigint; readonly tokens: number }
  | { readonly status: 'busy'; readonly waitMs: number }
  /** `waitMs` is undefined for a place behind another. */
  | { readonly status: 'queued'; readonly waitMs: number | undefined }
  | { readonly status: 'refused'; readonly units: string };

/** Reads the answer of `ask`. */
export function readAsked(answer: unknown): Asked {
  const [status, first, second] = wordsOf(answer);
  if (status === 'granted') {
    return { status, token: integerIn(first, answer), tokens: Math.max(1, numberIn(second, answer)) };
  }
  if (status === 'busy') return { status, waitMs: numberIn(first, answer) };
  if (status === 'queued') return { status, waitMs: first === '-' ? undefined : numberIn(first, answer) };
  if (status === 'refused') return { status, units: String(integerIn(first, answer)) };
  throw unexpected(answer);
}

/** Reads an answer that is one of these words. */
export function readWord<const Word extends string>(answer: unknown, words: readonly Word[]): Word {
  const word = words.find((each) => each === answer);
  if (word === undefined) throw unexpected(answer);
  return word;
}

/** Reads, for each of so many holds, whether it was renewed. */
export function readRenewed(answer: unknown, count: number): boolean[] {
  if (typeof answer !== 'string' || answer.length !== count || !/^[01]*$/.test(answer)) throw unexpected(answer);
  return [...answer].map((each) => each === '1');
}

/** Reads how long each of so many waiters may sleep. `gone`: it has lost its place; `behind`: it is not the first. */
export function readBeat(answer: unknown, count: number): (number | 'gone' | 'behind')[] {
  const words = wordsOf(answer);
  if (words.length !== count) throw unexpected(answer);
  return words.map((word) => (word === 'x' ? 'gone' : word === '-' ? 'behind' : numberIn(word, answer)));
}

/** A held key, as `inspect` reports it. */
export interface Inspected {
  readonly owner: string;
  readonly remainingMs: number;
  readonly token: bigint;
  readonly units: string;
  readonly all: string;
  readonly holders: number;
  readonly waiters: number;
  readonly grantedAt: number;
}

/** Reads the answer of `inspect`. */
export function readInspected(answer: unknown): Inspected | undefined {
  if (answer === 'free') return undefined;
  const [status, owner, remaining, token, units, all, holders, waiters, grantedAt] = wordsOf(answer);
  if (status !== 'held' || owner === undefined) throw unexpected(answer);
  return {
    owner,
    remainingMs: Math.max(0, numberIn(remaining, answer)),
    token: integerIn(token, answer),
    units: String(integerIn(units, answer)),
    all: String(integerIn(all, answer)),
    holders: numberIn(holders, answer),
    waiters: numberIn(waiters, answer),
    grantedAt: numberIn(grantedAt, answer),
  };
}

/**
 * Reads the number of the transaction in which a hold was pinned. `lost`: it is no longer held. `unseen`: it is no longer held, or the
 * snapshot of the transaction is older than the hold.
 */
export function readPinned(answer: unknown): string {
  const [status, transaction] = wordsOf(answer);
  if (status === 'lost' || status === 'unseen') return status;
  if (status !== 'pinned') throw unexpected(answer);
  return String(integerIn(transaction, answer));
}
