import { randomInt } from 'node:crypto';
import type { LockError } from '@holdfast/lock-core';
import type { Dialect } from './client-patches.ts';
import { type Connection, openConnection } from './connection.ts';
import { closed, codes, SessionOver, Unanswered } from './failures.ts';
import type { Settings } from './options.ts';

/** A session of the server, over however many connections. It owns our nodes, and they end with it. */
export interface Session {
  readonly id: Buffer;
  readonly password: Buffer;
  timeoutMs: number;
  zxid: Buffer;
  /** Monotonic ms of the send of the newest request that the leader has answered: then the session was alive. */
  confirmedAt: number;
  /** The server has said that it is gone. */
  over: boolean;
}

/** A session with its connection. */
export interface Link {
  readonly session: Session;
  readonly connection: Connection;
}

export interface Sessions {
  /** The connection of now, made if there is none; waits for it, in bounded time. */
  link(): Promise<Link>;
  readonly current: Link | undefined;
  readonly dialect: Dialect;
  /** For how long there has been no connection that answers; 0 when there is one. */
  readonly downForMs: number;
  close(): Promise<void>;
}

const linkWaitMs = 1_500;
const longestBackoffMs = 1_000;

/** How long a server may be mute: short beside the session, so that another one can be found while it lasts. */
const answerTimeoutMs = (sessionTimeoutMs: number): number => Math.min(2_000, Math.max(300, sessionTimeoutMs / 3));

const refusal = (): Error => Object.assign(new Error('the credentials were refused'), { code: codes.authFailed });

interface Waiting {
  resolve(link: Link): void;
  reject(error: unknown): void;
}

/**
 * Keeps one session, and one connection for it: goes to the next server when one is lost, mute or down, with the same session as
 * long as the servers know it (H66, H67), and begins a new one when they do not (H76).
 */
export function createSessions(settings: Settings, onLink: (link: Link) => void): Sessions {
  const { servers } = settings;
  const now = (): number => performance.now();
  const dialect: Dialect = { isOld: false };
  const closing = new AbortController();
  const waiting = new Set<Waiting>();
  let session: Session | undefined;
  let current: Link | undefined;
  let running: Promise<void> | undefined;
  let downSince = now();
  let nextServer = randomInt(servers.length);
  let stopPausing: (() => void) | undefined;

  async function run(): Promise<void> {
    let attempts = 0;
    while (!closing.signal.aborted) {
      // Once round the servers at once, then with growing pauses.
      if (attempts >= servers.length) await pause(50 * 2 ** Math.min(attempts - servers.length, 5));
      if (closing.signal.aborted) return;
      attempts += 1;
      const sentAt = now();
      // Servers that came back without their data refuse whoever has seen more than they have, and never say that the session
      // is gone. By then nothing is held in it.
      if (session !== undefined && sentAt - session.confirmedAt > 2 * session.timeoutMs) endSession();
      const opened = await openConnection({
        server: servers[nextServer++ % servers.length] as string,
        clientFactory: settings.clientFactory,
        sessionTimeoutMs: settings.sessionTimeoutMs,
        auth: settings.auth,
        answerTimeoutMs: answerTimeoutMs(settings.sessionTimeoutMs),
        resume: session,
        dialect,
        signal: closing.signal,
      });
      const end = typeof opened === 'string' ? opened : await serve(opened, sentAt);
      if (end === 'expired' || end === 'auth-failed') endSession();
      if (end === 'auth-failed') throw refusal();
      // A server that takes us and drops us at once is no better than one that is down.
      if (typeof opened !== 'string' && now() - sentAt > longestBackoffMs) attempts = 0;
    }
  }

  async function serve(connection: Connection, sentAt: number): Promise<Awaited<Connection['ended']>> {
    if (session === undefined || !session.id.equals(connection.sessionId)) {
      endSession();
      const { sessionId: id, sessionPassword: password, sessionTimeoutMs: timeoutMs, zxid } = connection;
      session = { id, password, timeoutMs, zxid, confirmedAt: sentAt, over: false };
    }
    // The leader has a say in each handshake.
    session.confirmedAt = Math.max(session.confirmedAt, sentAt);
    session.timeoutMs = connection.sessionTimeoutMs;
    const link: Link = { session, connection };
    current = link;
    onLink(link);
    for (const { resolve } of waiting) resolve(link);
    waiting.clear();
    const end = await connection.ended;
    session.zxid = connection.zxid;
    current = undefined;
    // A server that takes us and then says nothing is as good as none.
    if (connection.hasAnswered) downSince = now();
    return end;
  }

  function endSession(): void {
    if (session !== undefined) session.over = true;
    session = undefined;
  }

  /** Tells those who wait, and tries again only for the next who asks. */
  function giveUp(error: unknown): void {
    running = undefined;
    rejectAll(error);
  }

  function rejectAll(error: unknown): void {
    for (const { reject } of waiting) reject(error);
    waiting.clear();
  }

  async function pause(longestMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      stopPausing = resolve;
      // Half of it by chance, so that the clients of a server that comes back do not all come at once.
      const ms = Math.min(longestMs, longestBackoffMs) / 2;
      setTimeout(resolve, ms + randomInt(Math.ceil(ms) + 1)).unref();
    });
  }

  function nextLink(): Promise<Link> {
    return new Promise((resolve, reject) => {
      const entry: Waiting = {
        resolve(link) {
          clearTimeout(timer);
          resolve(link);
        },
        reject(error) {
          clearTimeout(timer);
          reject(error);
        },
      };
      const timer = setTimeout(() => {
        waiting.delete(entry);
        reject(new Unanswered(`no server of ${servers.join(', ')} could be reached`));
      }, linkWaitMs);
      waiting.add(entry);
    });
  }

  return {
    dialect,
    get current() {
      return current;
    },
    get downForMs() {
      return current?.connection.hasAnswered ? 0 : now() - downSince;
    },
    async link() {
      if (closing.signal.aborted) throw closed();
      if (current !== undefined) return current;
      if (running === undefined) {
        downSince = now();
        running = run().catch(giveUp);
      }
      return nextLink();
    },
    async close() {
      if (closing.signal.aborted) return running;
      const error: LockError = closed();
      closing.abort(error);
      rejectAll(error);
      stopPausing?.();
      await current?.connection.close();
      await running;
      endSession();
    },
  };
}

/** Fails when the session has ended. */
export function assertAlive(session: Session): void {
  if (session.over) throw new SessionOver();
}
