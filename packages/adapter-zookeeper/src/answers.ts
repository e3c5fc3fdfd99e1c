import type { NodeStat } from './client.ts';
import { codeOf, Unanswered } from './failures.ts';
import { codes } from './server-answers.ts';

/** `undefined` for a node that is not there. */
export function missing(error: unknown): undefined {
  if (codeOf(error) !== codes.noNode) throw error;
}

/** What came back is not of the form that the protocol has for it. */
export const unexpected = (request: string): Unanswered =>
  new Unanswered(`the answer to ${request} has an unexpected form`);

/** Two answers cannot both be true. */
export const contradictory = (request: string): Unanswered =>
  new Unanswered(`the answer to ${request} says that there is no such node, and another says that there is`);

/** Whether an answer is a list of children. */
export const isNames = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((name) => typeof name === 'string');

const isLong = (value: unknown): boolean => Buffer.isBuffer(value) && value.length === 8;

/** Whether an answer has what we read of a stat. */
export const isStat = (stat: Partial<NodeStat>): boolean => isLong(stat.czxid) && isLong(stat.ephemeralOwner);
