import type { Claim, KeysPage } from '@holdfast/lock-core';
import { kindOf } from './claim.ts';

/**
 * How keys and owners become node names. A key is one node, its contenders are the node's children:
 * `/locks/invoice:42/_c_<owner>-lock-0000000007`. The owner in the name finds the node again after a lost reply (H64), and what
 * it asks for, here `lock`, is there too: see `claim.ts`.
 */

/** Any string as one path element, another one for every other string: `/`, control characters and the like are %-encoded. */
export function nodeName(text: string): string {
  // Nothing to encode, as in every owner ID of lock-core.
  if (/^[\w:~-]+$/.test(text)) return text;
  const name = encodeURIComponent(text).replaceAll('%3A', ':');
  // As elements of a path these two would mean other nodes.
  return name === '.' || name === '..' ? name.replaceAll('.', '%2E') : name;
}

/** The lock whose node this is, `undefined` when no lock has it: the way back of `nodeName`. */
function keyOf(name: string): string | undefined {
  try {
    const key = decodeURIComponent(name);
    return nodeName(key) === name ? key : undefined;
  } catch {
    return undefined;
  }
}

/** How the names of an owner's nodes begin, whatever it asks for. */
export const childPrefix = (owner: string): string => `_c_${nodeName(owner)}-`;

/** The name of an owner's node without the sequence number, which the server appends. */
export const childName = (owner: string, claim: Claim): string => `${childPrefix(owner)}${kindOf(claim)}-`;

const ours = /^_c_(.*)-(?:lock|shared|\d+of\d+)-(?:-?\d{9,10})$/;

/** Whether the node is an owner's, by the form of its name. */
export const isOurs = (child: string): boolean => ours.test(child);

/** The owner whose node this is; the whole name when another program made it. */
export function ownerOf(child: string): string {
  const encoded = ours.exec(child)?.[1];
  if (encoded === undefined) return child;
  try {
    return decodeURIComponent(encoded);
  } catch {
    return child;
  }
}

/** Whether the node belongs to the owner of this prefix, whatever its number. */
export const isChildOf = (prefix: string, child: string): boolean =>
  child.startsWith(prefix) && /^(?:lock|shared|\d+of\d+)--?\d{9,10}$/.test(child.slice(prefix.length));

const digitsOfSequence = 10;

/** The sequence number at the end of a name; `undefined` when there is none, and the node is no contender. */
export function sequenceOf(child: string): number | undefined {
  // Digit by digit: each waiter reads the names of all.
  const from = child.length - digitsOfSequence;
  let sequence = 0;
  for (let at = from; at < child.length; at += 1) {
    const digit = child.charCodeAt(at) - 48;
    if (!(digit >= 0 && digit <= 9)) return negativeSequenceOf(child);
    sequence = 10 * sequence + digit;
  }
  return child.endsWith('--', from) ? -sequence : sequence;
}

/** `%010d` of a number below zero: a sign, and 9 or 10 digits. Another `-` stands before it in our names. */
function negativeSequenceOf(child: string): number | undefined {
  const digits = /-(-\d{9})$/.exec(child)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * Below 0 when `a` was created before `b`. The server counts in 32 bits with a sign and goes on from 2147483647 to
 * -2147483648 (H72), so it is the distance that counts; contenders are never 2^31 creations apart.
 */
export const compareSequences = (a: number, b: number): number => (a - b) | 0;

/** A contender with its sequence number. */
export interface Numbered {
  readonly child: string;
  readonly sequence: number;
}

/** The contenders with their numbers; `undefined` when a child is none: then the key holds something else. */
export function numbered(children: readonly string[]): Numbered[] | undefined {
  const contenders: Numbered[] = [];
  for (const child of children) {
    const sequence = sequenceOf(child);
    if (sequence === undefined) return undefined;
    contenders.push({ child, sequence });
  }
  return contenders;
}

/** Below 0 when `a` comes before `b`. The server gives each number once; should two be equal, all clients see one order. */
export const compareContenders = (a: Numbered, b: Numbered): number =>
  compareSequences(a.sequence, b.sequence) || (a.child < b.child ? -1 : Number(a.child > b.child));

/** The contenders in their order; `undefined` when a child is none. */
export const inOrder = (children: readonly string[]): string[] | undefined =>
  numbered(children)
    ?.sort(compareContenders)
    .map(({ child }) => child);

/** All locks at once: ZooKeeper tells the children of a node only as a whole. Nodes of free locks are there for a while too. */
export function keysPage(names: readonly string[]): KeysPage {
  return { keys: names.map(keyOf).filter((key) => key !== undefined), next: undefined };
}
