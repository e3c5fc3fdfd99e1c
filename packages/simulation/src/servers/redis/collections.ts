import type { Command, DataCommand, DataTerms } from './commands.ts';
import { Refusal, type Reply } from './replies.ts';
import type { Entry } from './store.ts';

const wrongType = new Refusal('WRONGTYPE Operation against a key holding the wrong kind of value');
const syntax = new Refusal('ERR syntax error');
const notFloat = new Refusal('ERR value is not a valid float');
const noRange = new Refusal('ERR min or max is not a float');

type Members = ReadonlyMap<string, string>;
const none: Members = new Map();

/** The members of a key of this type; empty where there is none. */
function membersOf(key: string, type: Entry['type'], { store }: DataTerms): Members | Refusal {
  const entry = store.get(key);
  if (entry === undefined) return none;
  return entry.type === type ? (entry.members ?? none) : wrongType;
}

/** A collection without members is gone. */
function put(key: string, type: Entry['type'], members: Members, { store }: DataTerms): void {
  const expiresAt = store.get(key)?.expiresAt;
  if (members.size === 0) store.delete(key);
  else store.set(key, { type, value: '', members, expiresAt });
}

const score = (text: string): number | undefined => {
  if (/^[+-]?inf$/i.test(text)) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
};

/** Text for text's sake: by its bytes. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function inOrder(members: Members): (readonly [string, string])[] {
  return [...members].sort(([a, x], [b, y]) => Number(x) - Number(y) || compare(a, b));
}

interface Range {
  has(value: number): boolean;
}

function range(min: string, max: string): Range | undefined {
  const [low, high] = [min, max].map((text) => score(text.replace(/^\(/, '')));
  if (low === undefined || high === undefined) return undefined;
  const above = (value: number): boolean => (min.startsWith('(') ? value > low : value >= low);
  const below = (value: number): boolean => (max.startsWith('(') ? value < high : value <= high);
  return { has: (value) => above(value) && below(value) };
}

const zadd: Command = ([key, ...pairs], terms) => {
  if (pairs.length % 2 !== 0) return syntax;
  const members = membersOf(key!, 'zset', terms);
  if (pairs.some((text, i) => i % 2 === 0 && score(text) === undefined)) return notFloat;
  if (members instanceof Refusal) return members;
  const changed = new Map(members);
  for (let i = 0; i < pairs.length; i += 2) changed.set(pairs[i + 1]!, String(score(pairs[i]!)));
  put(key!, 'zset', changed, terms);
  return changed.size - members.size;
};

/** ZREM and HDEL. */
const remove =
  (type: Entry['type']): Command =>
  ([key, ...names], terms) => {
    const members = membersOf(key!, type, terms);
    if (members instanceof Refusal) return members;
    const changed = new Map(members);
    for (const name of names) changed.delete(name);
    const count = members.size - changed.size;
    if (count > 0) put(key!, type, changed, terms);
    return count;
  };

/** ZSCORE and HGET. */
const read =
  (type: Entry['type']): Command =>
  ([key, name], terms) => {
    const members = membersOf(key!, type, terms);
    return members instanceof Refusal ? members : (members.get(name!) ?? null);
  };

const zrange =
  (backwards: boolean): Command =>
  ([key, from, to, ...words], terms) => {
    let [withScores, offset, count] = [false, 0, Number.POSITIVE_INFINITY];
    for (let i = 0; i < words.length; i++) {
      const word = words[i]!.toUpperCase();
      if (word === 'WITHSCORES') withScores = true;
      else if (word === 'LIMIT' && i + 2 < words.length) [offset, count] = [Number(words[++i]), Number(words[++i])];
      else return syntax;
    }
    const within = backwards ? range(to!, from!) : range(from!, to!);
    if (within === undefined) return noRange;
    const members = membersOf(key!, 'zset', terms);
    if (members instanceof Refusal) return members;
    const all = inOrder(members).filter(([, value]) => within.has(Number(value)));
    const found = (backwards ? all.reverse() : all).slice(offset, count < 0 ? undefined : offset + count);
    return found.flatMap(([name, value]): Reply[] => (withScores ? [name, value] : [name]));
  };

const zcount: Command = ([key, min, max], terms) => {
  const within = range(min!, max!);
  if (within === undefined) return noRange;
  const members = membersOf(key!, 'zset', terms);
  return members instanceof Refusal
    ? members
    : [...members.values()].filter((value) => within.has(Number(value))).length;
};

const hset: Command = ([key, ...pairs], terms) => {
  if (pairs.length % 2 !== 0) return new Refusal("ERR wrong number of arguments for 'hset' command");
  const members = membersOf(key!, 'hash', terms);
  if (members instanceof Refusal) return members;
  const changed = new Map(members);
  for (let i = 0; i < pairs.length; i += 2) changed.set(pairs[i]!, pairs[i + 1]!);
  put(key!, 'hash', changed, terms);
  return changed.size - members.size;
};

/** Those of hashes and of sorted sets. */
export const collectionCommands: Readonly<Record<string, DataCommand>> = {
  ZADD: { run: zadd, writes: true, arity: [3, 999] },
  ZREM: { run: remove('zset'), writes: true, arity: [2, 999] },
  ZSCORE: { run: read('zset'), arity: [2, 2] },
  ZRANGEBYSCORE: { run: zrange(false), arity: [3, 9] },
  ZREVRANGEBYSCORE: { run: zrange(true), arity: [3, 9] },
  ZCOUNT: { run: zcount, arity: [3, 3] },
  HSET: { run: hset, writes: true, arity: [3, 999] },
  HGET: { run: read('hash'), arity: [2, 2] },
  HDEL: { run: remove('hash'), writes: true, arity: [2, 999] },
};
