import type { ConnectionManager, NodeStat } from './client.ts';
import { codes } from './failures.ts';

// Kinds of requests and of nodes, by the protocol's numbers.
const create = 1;
const createWithStat = 15;
const createContainer = 19;
const ephemeralSequential = 3;
const container = 4;

/** What the servers understand. */
export interface Dialect {
  /** A server was met that does not know a request of ZooKeeper 3.5. */
  isOld: boolean;
}

/** How one connection creates nodes. */
export interface Creates {
  /** The stat that came with the node, once; none from an old server. */
  takeStat(path: string): NodeStat | undefined;
}

/**
 * Sends creates of contenders and of containers as the requests of ZooKeeper 3.5 that the library does not know. The answer for a
 * contender then carries the stat of the new node, which spares asking for it. A container under a plain create would become a
 * persistent node, and the server would log that its digest of the tree is wrong.
 */
export function teachCreates(manager: ConnectionManager, frames: Frames, dialect: Dialect): Creates {
  const { queue } = manager;
  const stats = new Map<string, NodeStat>();

  function typeFor(mode: number | undefined): number {
    if (mode === container) return createContainer;
    return mode === ephemeralSequential && !dialect.isOld ? createWithStat : create;
  }

  manager.queue = (request, done) => {
    const { header, payload, toBuffer } = request;
    const type = typeFor(payload?.flags);
    if (header?.type !== create || type === create) return queue.call(manager, request, done);
    request.toBuffer = () => {
      // On the wire only: the library reads the answer, which begins as that to a create, by this number.
      header.type = type;
      const bytes = toBuffer.call(request);
      header.type = create;
      return bytes;
    };
    queue.call(manager, request, (error, response) => {
      if (!error && type === createWithStat) stats.set(response.payload.path, statAtEnd(frames.current));
      done?.(error, response);
    });
  };
  return {
    takeStat(path) {
      const stat = stats.get(path);
      stats.delete(path);
      return stat;
    },
  };
}

// Where in the last bytes of the answer our two numbers stand.
const statBytes = 68;
const czxidAt = 0;
const ephemeralOwnerAt = 44;

function statAtEnd(answer: Buffer): NodeStat {
  const stat = answer.subarray(-statBytes);
  const long = (at: number): Buffer => Buffer.from(stat.subarray(at, at + 8));
  return { czxid: long(czxidAt), ephemeralOwner: long(ephemeralOwnerAt) };
}

/** Reads the answers of one connection. */
export interface Frames {
  /** The answer that is being delivered, whole; empty before the first. */
  readonly current: Buffer;
}

// Where in an answer its error code stands.
const errorAt = 16;

/**
 * Hands the library one answer at a time. Left to itself it copies the rest of what has arrived for each answer, and throws where
 * only the process could catch it when it does not know an error code.
 */
export function readFrames(manager: ConnectionManager, dialect: Dialect, fail: () => void): Frames {
  const receive = manager.onSocketData;
  let current: Buffer = Buffer.alloc(0);
  let rest: Buffer | undefined;
  manager.onSocketData = (data) => {
    const bytes = rest === undefined ? data : Buffer.concat([rest, data]);
    let at = 0;
    try {
      while (bytes.length - at >= 4) {
        const size = bytes.readInt32BE(at);
        if (size < 0) throw new RangeError('this is no server of ZooKeeper');
        const end = at + 4 + size;
        if (end > bytes.length) break;
        const isHandshake = current.length === 0;
        current = bytes.subarray(at, end);
        // Such an answer overtakes those to earlier requests, and the library then gives up the connection without reading it.
        if (!isHandshake && end - at >= errorAt + 4 && current.readInt32BE(errorAt) === codes.unimplemented)
          dialect.isOld = true;
        receive.call(manager, current);
        at = end;
      }
      rest = at < bytes.length ? bytes.subarray(at) : undefined;
    } catch {
      fail();
    }
  };
  return {
    get current() {
      return current;
    },
  };
}
