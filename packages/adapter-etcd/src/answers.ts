import type { IKeyValue, ITxnResponse } from 'etcd3';
import { unexpectedAnswer } from './errors.ts';

// The answers come over the network, perhaps through a client or a proxy of the caller. A wrong answer must never become a grant.

/** A revision, which is a positive integer in decimal digits. */
export function revisionIn(value: unknown, what: string): string {
  if (typeof value !== 'string' || !/^[1-9]\d*$/.test(value)) throw unexpectedAnswer(what, value);
  return value;
}

/** A number of seconds, which may be 0 or negative for a lease that is gone. */
export function secondsIn(value: unknown, what: string): number {
  const seconds = typeof value === 'string' || typeof value === 'number' ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(seconds)) throw unexpectedAnswer(what, value);
  return seconds;
}

/** The revision that the writes of a transaction were made in. */
export const revisionOf = (answer: ITxnResponse): string => revisionIn(answer.header?.revision, 'the revision');

/** Whether the comparisons of a transaction held. */
export function succeeded(answer: ITxnResponse): boolean {
  if (typeof answer?.succeeded !== 'boolean') throw unexpectedAnswer('the outcome of a transaction', answer?.succeeded);
  return answer.succeeded;
}

/** The keys that range request number `i` of a transaction found. */
export function keysFound(answer: ITxnResponse, i: number): IKeyValue[] {
  const kvs = answer.responses?.[i]?.response_range?.kvs;
  if (!Array.isArray(kvs)) throw unexpectedAnswer(`the answer to request ${i} of a transaction`, answer.responses?.[i]);
  return kvs;
}

/** How many keys deletion number `i` of a transaction deleted. */
export function deletedBy(answer: ITxnResponse, i: number): number {
  return secondsIn(answer.responses?.[i]?.response_delete_range?.deleted, 'the number of deleted keys');
}
