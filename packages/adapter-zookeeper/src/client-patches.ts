import type { ClientRequest, ClientResponse, ConnectionManager, NodeStat } from './client.ts';
import { ServerError } from './failures.ts';
import { wrongServer } from './probe.ts';
import { codes } from './server-answers.ts';

// Kinds of requests and of nodes, by the protocol's numbers.
const create = 1;
const multi = 14;
const createWithStat = 15;
const createContainer = 19;
const ephemeralSequential = 3;
const container = 4;

/** What the servers understand. */
export interface Dialect {
  /** A server was met that does not know a request of ZooKeeper 3.5. */
  isOld: boolean;
}

/** Who is told what arrives outside the answer to a request. */
export interface PatchListener {
  /** The bytes cannot be read: the connection is of no use any more. */
  onUnreadable(error: Error): void;
  /** A server closes a session whose client has not authenticated, after this answer. */
  onAuthenticationRequired(error: ServerError): void;
}

/** What the patches add to a client. */
export interface PatchedClient {
  /** The stat that came with a new node, once; none from an old server. */
  takeStat(path: string): NodeStat | undefined;
}

/** The answers of a client, as they arrive. */
interface Answers {
  /** The frame that is being delivered. */
  current: Buffer;
  isDelivering: boolean;
  /** What has arrived of the next frame, and through which socket. */
  rest: Buffer | undefined;
  socket: ConnectionManager['socket'];
}

/**
 * Teaches a client of `node-zookeeper-client` 1.1 what it lacks.
 *
 * - It hands the library one answer at a time: left to itself, the library copies all that has arrived for each answer.
 * - An error code that the library does not know fails its own request. The library would throw where only the process can catch it.
 * - Requests are numbered within the 31 bits of the protocol. The library would send nothing more after the last number.
 * - Contenders and containers are created by requests of ZooKeeper 3.5. The answer for a contender then carries the stat of the
 *   new node, which spares asking for it. A container under a plain create would become a persistent node.
 */
export function patchClient(manager: ConnectionManager, dialect: Dialect, listener: PatchListener): PatchedClient {
  const answers: Answers = { current: Buffer.alloc(0), isDelivering: false, rest: undefined, socket: undefined };
  const stats = new Map<string, NodeStat>();
  patchAnswers(manager, answers, dialect, listener);
  patchRequests(manager, answers, dialect, stats);
  return {
    takeStat(path) {
      const stat = stats.get(path);
      stats.delete(path);
      return stat;
    },
  };
}

function patchAnswers(manager: ConnectionManager, answers: Answers, dialect: Dialect, listener: PatchListener): void {
  const receive = manager.onSocketData;
  const deliver = (frame: Buffer): void => {
    answers.current = frame;
    answers.isDelivering = true;
    try {
      receive.call(manager, manager.state === connecting ? frame : readable(frame, dialect, listener));
    } finally {
      answers.isDelivering = false;
    }
  };
  manager.onSocketData = (data) => {
    if (answers.socket !== manager.socket) answers.rest = undefined;
    answers.socket = manager.socket;
    try {
      receiveFrames(manager, answers, data, deliver);
    } catch (error) {
      listener.onUnreadable(error as Error);
    }
  };
}

/** Cuts what has arrived into frames. */
function receiveFrames(
  manager: ConnectionManager,
  answers: Answers,
  data: Buffer,
  deliver: (frame: Buffer) => void,
): void {
  const bytes = answers.rest === undefined ? data : Buffer.concat([answers.rest, data]);
  let at = 0;
  while (bytes.length - at >= 4) {
    const size = bytes.readInt32BE(at);
    if (manager.state === connecting && !isHandshakeSize(size)) throw wrongServer(bytes);
    if (size < 0) throw new RangeError('the length of an answer is below 0');
    const end = at + 4 + size;
    if (end > bytes.length) break;
    deliver(bytes.subarray(at, end));
    at = end;
  }
  answers.rest = at < bytes.length ? bytes.subarray(at) : undefined;
}

// The library's state until the answer to the handshake.
const connecting = 1;
// Version, time-out, session ID, a password of 16 bytes with its length, and whether it is read-only; room for one more field.
const isHandshakeSize = (size: number): boolean => size >= 36 && size <= 64;

// Where in a frame the number of the request and the error code stand. Numbers below 0 are of pings, events and credentials.
const xidAt = 4;
const errorAt = 16;
const authenticationXid = -4;
// Every error that the library can name.
const namedCodes: readonly number[] = [
  0, -1, -2, -3, -4, -5, -6, -7, -8, -100, -101, -102, -103, -108, -110, -111, -112, -113, -114, -115,
];

/** The frame as the library can read it: with an error code that it knows. The true one is read from the frame itself. */
function readable(frame: Buffer, dialect: Dialect, listener: PatchListener): Buffer {
  if (frame.length < errorAt + 4) return frame;
  const code = frame.readInt32BE(errorAt);
  if (code === 0) return frame;
  // Such an answer overtakes those to earlier requests, and the library then gives up the connection without reading it.
  if (code === codes.unimplemented) dialect.isOld = true;
  if (code === codes.sessionClosedRequireAuth) listener.onAuthenticationRequired(new ServerError(code));
  const isAuthentication = frame.readInt32BE(xidAt) === authenticationXid;
  if (namedCodes.includes(code) && !isAuthentication) return frame;
  const copy = Buffer.from(frame);
  copy.writeInt32BE(isAuthentication ? codes.authFailed : -1, errorAt);
  return copy;
}

// The protocol has 31 bits for the number of a request, and the library counts on for ever. Answers come in the order of the requests,
// so numbers may be used again.
const mostRequests = 2 ** 30;

function patchRequests(
  manager: ConnectionManager,
  answers: Answers,
  dialect: Dialect,
  stats: Map<string, NodeStat>,
): void {
  const { queue } = manager;
  manager.queue = (request, done) => {
    if (manager.xid >= mostRequests) manager.xid = 0;
    const type = typeOnTheWire(request, dialect);
    if (type !== request.header?.type) sendAs(request, type);
    if (done === undefined) return queue.call(manager, request);
    queue.call(manager, request, (error, response) => {
      const refusal = answers.isDelivering ? refusalIn(answers.current, error, request, response) : undefined;
      if (!error && type === createWithStat) stats.set(response.payload.path, statAtEnd(answers.current));
      done(refusal ?? error, response);
    });
  };
}

function typeOnTheWire({ header, payload }: ClientRequest, dialect: Dialect): number | undefined {
  if (header?.type !== create) return header?.type;
  if (payload?.flags === container) return createContainer;
  return payload?.flags === ephemeralSequential && !dialect.isOld ? createWithStat : create;
}

/** On the wire only: by the number in its own header the library reads the answer, which begins as that to a create. */
function sendAs(request: ClientRequest, type: number | undefined): void {
  const { header, toBuffer } = request;
  if (header === null || type === undefined) return;
  request.toBuffer = () => {
    const own = header.type;
    header.type = type;
    const bytes = toBuffer.call(request);
    header.type = own;
    return bytes;
  };
}

/** The error that the server answered, with its true code. A transaction has one for each of its operations. */
function refusalIn(
  frame: Buffer,
  error: unknown,
  { header }: ClientRequest,
  response: ClientResponse | undefined,
): ServerError | undefined {
  if (error) return new ServerError(frame.readInt32BE(errorAt));
  if (header?.type !== multi) return undefined;
  const failed = response?.payload.results?.find(({ err }) => err !== undefined && err !== 0);
  return failed?.err === undefined ? undefined : new ServerError(failed.err);
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
