import type { Connection } from './connection.ts';
import { SessionOver } from './failures.ts';

/** A session of the server, over however many connections. It owns our nodes, and they end with it. */
export interface Session {
  readonly id: Buffer;
  readonly password: Buffer;
  timeoutMs: number;
  zxid: Buffer;
  /** Monotonic ms of the send of the newest request that the leader has answered: then the session was alive. */
  confirmedAt: number;
  /** It is gone, or is left to end by itself. */
  over: boolean;
}

/** A session with its connection. */
export interface Link {
  readonly session: Session;
  readonly connection: Connection;
}

/** Fails when the session has ended. */
export function assertAlive(session: Session): void {
  if (session.over) throw new SessionOver();
}
