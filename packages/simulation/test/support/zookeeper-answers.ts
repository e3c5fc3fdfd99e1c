import { createReader, type Reader } from '../../src/servers/zookeeper/jute.ts';
import type { Sent } from './zookeeper-operations.ts';

/** How one side names what differs between the real server and the model. */
export interface Names {
  /** The number that transactions are counted from. */
  readonly zxidBase: bigint;
  /** The sessions of this side, by their IDs. */
  readonly sessions: ReadonlyMap<bigint, string>;
}

/** A message from a server as both sides ought to say it: without times, and with names for sessions. */
export function readAnswer(frame: Buffer, sent: readonly Sent[], names: Names): object {
  const reader = createReader(frame);
  const xid = reader.int();
  const zxid = readZxid(reader, names);
  const error = reader.int();
  if (xid === -1)
    return { event: reader.int(), state: reader.int(), path: reader.text(), zxid, error, left: reader.left };
  const request = sent.find((each) => each.xid === xid);
  const body = error === 0 && request !== undefined ? readBody(request.kind, reader, names) : {};
  return { xid, kind: request?.kind, zxid, error, ...body, left: reader.left };
}

const readZxid = (reader: Reader, { zxidBase }: Names): bigint => {
  const zxid = reader.long();
  return zxid >= zxidBase ? zxid - zxidBase : zxid;
};

function readBody(kind: string, reader: Reader, names: Names): object {
  switch (kind) {
    case 'create':
      return { path: reader.text() };
    case 'createWithStat':
      return { path: reader.text(), ...readStat(reader, names) };
    case 'exists':
    case 'setData':
      return readStat(reader, names);
    case 'getData':
      return { data: reader.bytes()?.toString() ?? null, ...readStat(reader, names) };
    case 'getChildren':
      // In the order of a hash table.
      return { children: reader.list(reader.text).sort(), ...readStat(reader, names) };
    case 'multi': {
      const results: unknown[] = [];
      for (let isDone = false; !isDone; ) {
        const type = reader.int();
        isDone = reader.flag();
        results.push({ type, isDone, error: reader.int(), ...(isDone ? {} : readResult(type, reader, names)) });
      }
      return { results };
    }
    default:
      return {};
  }
}

/** What is told about one operation of a transaction. */
function readResult(type: number, reader: Reader, names: Names): object {
  if (type === -1) return { again: reader.int() };
  if (type === 1) return { path: reader.text() };
  return type === 5 ? readStat(reader, names) : {};
}

function readStat(reader: Reader, names: Names): object {
  const czxid = readZxid(reader, names);
  const mzxid = readZxid(reader, names);
  // When it was created, and when it was changed.
  reader.long();
  reader.long();
  const [version, cversion, aversion] = [reader.int(), reader.int(), reader.int()];
  const owner = reader.long();
  const ephemeralOwner = names.sessions.get(owner) ?? owner;
  const [dataLength, numChildren] = [reader.int(), reader.int()];
  return {
    ...{ czxid, mzxid, version, cversion, aversion, ephemeralOwner },
    ...{ dataLength, numChildren, pzxid: readZxid(reader, names) },
  };
}

/** Watches that fire at one moment, as at the end of a session, do so in no order. */
export function sortEvents(answers: readonly object[]): object[] {
  const sorted: object[] = [];
  let events: object[] = [];
  const flush = (): void => {
    sorted.push(...events.toSorted((a, b) => (show(a) < show(b) ? -1 : 1)));
    events = [];
  };
  for (const answer of answers) {
    if ('event' in answer) events.push(answer);
    else {
      flush();
      sorted.push(answer);
    }
  }
  flush();
  return sorted;
}

const show = (answer: object): string =>
  JSON.stringify(answer, (_name, value) => (typeof value === 'bigint' ? `${value}` : value));
