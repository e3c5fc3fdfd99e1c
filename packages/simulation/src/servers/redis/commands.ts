import { collectionCommands } from './collections.ts';
import { ok, Refusal, type Reply, Status } from './replies.ts';
import type { Store } from './store.ts';

/** What commands on data need beside the data. */
export interface DataTerms {
  readonly store: Store;
  /** Delivers a message, and gives the number of those who got it. */
  publish(channel: string, message: string): number;
  subscribers(channel: string): number;
}

/** Runs on data. */
export type Command = (args: readonly string[], terms: DataTerms) => Reply;

const wrongType = new Refusal('WRONGTYPE Operation against a key holding the wrong kind of value');
const notInteger = new Refusal('ERR value is not an integer or out of range');
const syntax = new Refusal('ERR syntax error');

const integer = (text: string | undefined): number | undefined =>
  text !== undefined && /^-?(0|[1-9]\d{0,17})$/.test(text) ? Number(text) : undefined;

function get([key]: readonly string[], { store }: DataTerms): Reply {
  const entry = store.get(key!);
  if (entry === undefined) return null;
  return entry.type === 'string' ? entry.value : wrongType;
}

interface SetOptions {
  condition?: 'NX' | 'XX';
  span?: { readonly text: string; readonly unitMs: number };
  keepTtl?: boolean;
  get?: boolean;
}

function parseSetOptions(words: readonly string[]): SetOptions | Refusal {
  const options: SetOptions = {};
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!.toUpperCase();
    if (word === 'NX' || word === 'XX') {
      if (options.condition !== undefined && options.condition !== word) return syntax;
      options.condition = word;
    } else if (word === 'GET') options.get = true;
    else if (word === 'KEEPTTL' && options.span === undefined) options.keepTtl = true;
    else if ((word === 'PX' || word === 'EX') && !options.span && !options.keepTtl && i + 1 < words.length) {
      options.span = { text: words[++i]!, unitMs: word === 'PX' ? 1 : 1_000 };
    } else return syntax;
  }
  return options;
}

/** The TTL of the key in ms; `undefined` for none. */
function spanOf({ span }: SetOptions): number | undefined | Refusal {
  if (span === undefined) return undefined;
  const count = integer(span.text);
  if (count === undefined) return notInteger;
  return count <= 0 ? new Refusal("ERR invalid expire time in 'set' command") : count * span.unitMs;
}

function set([key, value, ...words]: readonly string[], { store }: DataTerms): Reply {
  const options = parseSetOptions(words);
  if (options instanceof Refusal) return options;
  const spanMs = spanOf(options);
  if (spanMs instanceof Refusal) return spanMs;
  const before = store.get(key!);
  if (options.get && before !== undefined && before.type !== 'string') return wrongType;
  const previous: Reply = before?.value ?? null;
  const met = options.condition === undefined || (options.condition === 'NX') === (before === undefined);
  if (!met) return options.get ? previous : null;
  const kept = options.keepTtl ? before?.expiresAt : undefined;
  const expiresAt = spanMs === undefined ? kept : store.now() + spanMs;
  store.set(key!, { type: 'string', value: value!, expiresAt });
  return options.get ? previous : ok;
}

function pexpire([key, text]: readonly string[], { store }: DataTerms): Reply {
  const ms = integer(text);
  if (ms === undefined) return notInteger;
  const entry = store.get(key!);
  if (entry === undefined) return 0;
  if (ms <= 0) store.delete(key!);
  else store.set(key!, { ...entry, expiresAt: store.now() + ms });
  return 1;
}

function pttl([key]: readonly string[], { store }: DataTerms): Reply {
  const entry = store.get(key!);
  if (entry === undefined) return -2;
  return entry.expiresAt === undefined ? -1 : entry.expiresAt - store.now();
}

function time(_args: readonly string[], { store }: DataTerms): Reply {
  const micros = store.micros();
  return [String(Math.floor(micros / 1_000_000)), String(micros % 1_000_000)];
}

function push([key, ...values]: readonly string[], { store }: DataTerms): Reply {
  const entry = store.get(key!);
  if (entry !== undefined && entry.type !== 'list') return wrongType;
  const list = [...(entry === undefined ? [] : entry.value.split('\n')), ...values];
  store.set(key!, { type: 'list', value: list.join('\n'), expiresAt: entry?.expiresAt });
  return list.length;
}

function scan([, ...words]: readonly string[], { store }: DataTerms): Reply {
  let keys = store.keys();
  for (let i = 0; i < words.length; i += 2) {
    const word = words[i]!.toUpperCase();
    const value = words[i + 1] ?? '';
    if (word === 'MATCH') keys = keys.filter((key) => matches(value, key));
    else if (word === 'TYPE') keys = keys.filter((key) => store.get(key)?.type === value);
    else if (word !== 'COUNT') return syntax;
  }
  return ['0', keys];
}

/** Glob patterns, as far as `*`, `?` and `\` go. */
function matches(pattern: string, text: string): boolean {
  const source = pattern.replace(/\\(.)|[*?]|[.+^${}()|[\]\\]/gs, (word, escaped: string | undefined) => {
    if (escaped !== undefined) return `\\u{${escaped.charCodeAt(0).toString(16)}}`;
    if (word === '*') return '.*';
    return word === '?' ? '.' : `\\${word}`;
  });
  return new RegExp(`^${source}$`, 'su').test(text);
}

const numsub: Command = ([, ...channels], { subscribers }) =>
  channels.flatMap((channel) => [channel, subscribers(channel)]);

function pubsub(args: readonly string[], terms: DataTerms): Reply {
  const word = args[0]?.toUpperCase();
  if (word === 'NUMSUB' || word === 'SHARDNUMSUB') return numsub(args, terms);
  return new Refusal(`ERR unknown subcommand '${args[0]}'. Try PUBSUB HELP.`);
}

/** A command, with the least number of its arguments, and the most. */
export interface DataCommand {
  readonly run: Command;
  readonly writes?: true;
  readonly arity: readonly [number, number];
}

/** The commands that scripts may use too, with the least number of their arguments, and the most. */
export const dataCommands: Readonly<Record<string, DataCommand>> = {
  ...collectionCommands,
  GET: { run: get, arity: [1, 1] },
  SET: { run: set, writes: true, arity: [2, 99] },
  DEL: { run: (keys, { store }) => keys.filter((key) => store.delete(key)).length, writes: true, arity: [1, 999] },
  EXISTS: { run: (keys, { store }) => keys.filter((key) => store.get(key)).length, arity: [1, 999] },
  PEXPIRE: { run: pexpire, writes: true, arity: [2, 2] },
  PTTL: { run: pttl, arity: [1, 1] },
  TIME: { run: time, arity: [0, 0] },
  RPUSH: { run: push, writes: true, arity: [2, 999] },
  TYPE: { run: ([key], { store }) => new Status(store.get(key!)?.type ?? 'none'), arity: [1, 1] },
  SCAN: { run: scan, arity: [1, 99] },
  PUBLISH: { run: ([channel, message], { publish }) => publish(channel!, message!), arity: [2, 2] },
  SPUBLISH: { run: ([channel, message], { publish }) => publish(channel!, message!), arity: [2, 2] },
  PUBSUB: { run: pubsub, arity: [1, 999] },
};

/** Runs a command on data; `undefined` when there is none of this name. */
export function runDataCommand(name: string, args: readonly string[], terms: DataTerms): Reply | undefined {
  const command = dataCommands[name];
  if (command === undefined) return undefined;
  const [least, most] = command.arity;
  if (args.length < least || args.length > most) {
    return new Refusal(`ERR wrong number of arguments for '${name.toLowerCase()}' command`);
  }
  return command.run(args, terms);
}
