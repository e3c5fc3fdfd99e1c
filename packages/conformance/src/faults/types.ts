/** The direction of bytes through the proxy. By default, most faults apply to `both`. */
export type Direction = 'to-client' | 'to-server' | 'both';

/** The server to which a proxy connects. */
export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
}

/** Which answers `swallowReplies` drops. */
export interface SwallowOptions {
  /** How many answers to drop; default 1. */
  count?: number;
  /** Whether to reset the connection after the dropped answer. Default false: the connection stays open, but silent. */
  thenCut?: boolean;
  /**
   * Selects the requests whose answers are dropped; default the next request. Its argument has all bytes that the client sent on the
   * connection since the last answer, so that a request in several segments is found too.
   */
  match?: (request: Buffer) => boolean;
}

/**
 * A TCP proxy on 127.0.0.1 that injects faults on demand. Like TCP, it never leaves a gap in a stream: if bytes of a connection were
 * dropped, the connection stays silent in that direction until `heal` resets it.
 */
export interface FaultProxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** The number of client connections that are open now. */
  readonly connections: number;
  /** The number of bytes that were forwarded so far. */
  readonly bytes: { readonly toClient: number; readonly toServer: number };
  /** Delays bytes by `ms` milliseconds, in order. 0 ends the delay for the bytes that follow. */
  delay(ms: number, direction?: Direction): void;
  /**
   * A silent partition: drops all bytes, and the ends of connections. Connections stay open; new ones are accepted and stay silent.
   * `heal` resets those that lost something.
   */
  blackHole(direction?: Direction): void;
  /** A partition without losses: keeps all bytes, and the ends of connections, and delivers them at `heal`. */
  hold(direction?: Direction): void;
  /**
   * Lets the next matching request reach the server, and drops the answer and everything that the server sends after it on that
   * connection. Resolves when the server has answered; rejects if `heal` or `close` is called first. The first bytes after the request
   * count as its answer, so only one request may be in flight on the connection.
   */
  swallowReplies(options?: SwallowOptions): Promise<void>;
  /** Resets all connections (RST). New connections work. */
  cut(): void;
  /** Resets all connections and refuses new ones until `heal`. */
  refuse(): void;
  /** Ends all faults: delivers what was held or delayed, resets the connections that lost bytes, and listens again. */
  heal(): Promise<void>;
  /** Forwards new connections to another server. */
  target(next: ProxyTarget): void;
  /** Resets all connections and stops listening. Idempotent. */
  close(): Promise<void>;
}
