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

/**
 * How much of the session time-out we count on. The leader alone ends sessions, and it hears of us from our follower with a delay
 * of up to a tick, or misses the last heartbeat if the follower dies; hence the third that is left out. The Java client calls
 * itself disconnected after the same silence.
 */
const trustedShare = 2 / 3;

/** Until when, in monotonic ms, no server can have ended the session. */
export const validUntil = ({ confirmedAt, timeoutMs }: Session): number => confirmedAt + timeoutMs * trustedShare;

/** Fails when the session has ended. */
export function assertAlive(session: Session): void {
  if (session.over) throw new SessionOver();
}
