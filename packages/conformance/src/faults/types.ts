/** The way that bytes take through the proxy; most faults apply to `both` unless told otherwise. */
export type Direction = 'to-client' | 'to-server' | 'both';

/** Where a proxy connects to. */
export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
}

/** Which answers `swallowReplies` takes away. */
export interface SwallowOptions {
  /** How many answers; default 1. */
  count?: number;
  /** Reset the connection once the answer is swallowed; default false: it stays open and says nothing more. */
  thenCut?: boolean;
  /**
   * Which requests it is about; default: the next one. It is shown all bytes that the client sent on the connection since the
   * last answer, so that a request in several segments is found too.
   */
  match?: (request: Buffer) => boolean;
}

/**
 * A TCP proxy on 127.0.0.1 that misbehaves on demand. It never leaves a gap in a stream, as TCP never does: a connection
 * of which bytes were swallowed stays silent in that direction and is reset by `heal`.
 */
export interface FaultProxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Client connections that are open now. */
  readonly connections: number;
  /** Bytes that were passed on so far. */
  readonly bytes: { readonly toClient: number; readonly toServer: number };
  /** Passes bytes on `ms` milliseconds later, in order; 0 turns it off for the bytes that follow. */
  delay(ms: number, direction?: Direction): void;
  /**
   * A silent partition: swallows all bytes, and the ends of connections too. Connections stay open, new ones are accepted and stay
   * mute; `heal` resets those that lost something.
   */
  blackHole(direction?: Direction): void;
  /** A partition that ends well: keeps all bytes, and the ends of connections too, and delivers them at `heal`. */
  hold(direction?: Direction): void;
  /**
   * Lets the next matching request reach the server and swallows the answer, with all that the server says after it on that
   * connection. Resolves when the server has answered; rejects when `heal` or `close` comes first. It takes the first
   * bytes after the request for its answer: there must be one request in flight on the connection.
   */
  swallowReplies(options?: SwallowOptions): Promise<void>;
  /** Resets all connections (RST); new ones work. */
  cut(): void;
  /** Resets all connections and refuses new ones until `heal`. */
  refuse(): void;
  /** Back to transparent: delivers what is held or delayed, resets the connections that lost bytes, and listens again. */
  heal(): Promise<void>;
  /** Connects new connections to another server. */
  target(next: ProxyTarget): void;
  /** Resets all connections and stops listening. Idempotent. */
  close(): Promise<void>;
}
