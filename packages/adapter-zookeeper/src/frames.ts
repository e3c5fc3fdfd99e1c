import type { ConnectionManager } from './client.ts';
import type { Dialect } from './create-requests.ts';
import { codes } from './failures.ts';

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
