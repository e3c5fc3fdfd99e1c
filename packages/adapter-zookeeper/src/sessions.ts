import { randomInt } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
import type { Dialect } from './client-patches.ts';
import { Connection, type End } from './connection.ts';
import { closed, NotSent, WrongServer } from './failures.ts';
import type { Settings } from './options.ts';
import { probeSilentServer } from './probe.ts';
import type { Link, Session } from './session.ts';

/** Who is told about sessions. */
export interface SessionListener {
  /** There is a connection. */
  onLink(link: Link): void;
  /** A session has ended. */
  onSessionOver(session: Session): void;
}

const linkWaitMs = 1_500;
const longestBackoffMs = 1_000;

/** How long a server may be unresponsive: short beside the session, so that another one can be found while it lasts. */
const answerTimeoutMs = (sessionTimeoutMs: number): number => Math.min(2_000, Math.max(300, sessionTimeoutMs / 3));

interface Waiting {
  resolve(link: Link): void;
  reject(error: unknown): void;
}

/**
 * Keeps one session, and one connection for it. When a server is lost, unresponsive or down, goes to the next one with the same
 * session as long as the servers know it (H66, H67), and begins a new session when they do not (H76).
 */
export class Sessions {
  /** The connection of now, if there is one. */
  current: Link | undefined;
  readonly dialect: Dialect = { isOld: false };

  readonly #settings: Settings;
  readonly #listener: SessionListener;
  readonly #closing = new AbortController();
  readonly #waiting = new Set<Waiting>();
  // What went wrong last with each server.
  readonly #problems = new Map<string, Exclude<End, { kind: 'expired' }>>();
  #session: Session | undefined;
  #running: Promise<void> | undefined;
  #downSince = performance.now();
  #nextServer: number;
  #stopPausing: (() => void) | undefined;

  constructor(settings: Settings, listener: SessionListener) {
    this.#settings = settings;
    this.#listener = listener;
    this.#nextServer = randomInt(settings.servers.length);
  }

  /** For how long there has been no connection that answers; 0 when there is one. */
  get downForMs(): number {
    return this.current?.connection.hasAnswered ? 0 : performance.now() - this.#downSince;
  }

  /** The connection of now, opened if there is none; waits for it, in bounded time. */
  async link(): Promise<Link> {
    if (this.#closing.signal.aborted) throw closed();
    if (this.current !== undefined) return this.current;
    if (this.#running === undefined) {
      this.#downSince = performance.now();
      this.#problems.clear();
      this.#running = this.#run().catch((error: unknown) => this.#giveUp(error));
    }
    return this.#nextLink();
  }

  /**
   * Ends a session with all its nodes. Without an answer from the server it is not continued either, so that the server ends it
   * after its time-out.
   */
  async discard(session: Session): Promise<void> {
    if (session.over) return;
    const link = this.current;
    this.#endSession(session);
    if (link?.session !== session) return;
    // From now on, calls wait for the next session.
    this.current = undefined;
    await link.connection.close();
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return this.#running;
    const error = closed();
    this.#closing.abort(error);
    this.#rejectWaiting(error);
    this.#stopPausing?.();
    const link = this.current;
    // Refuse calls from now on: the library would answer each at once, and a waiter would ask again without end.
    this.current = undefined;
    await link?.connection.close();
    await this.#running;
    this.#endSession(this.#session);
  }

  async #run(): Promise<void> {
    const { servers } = this.#settings;
    const { signal } = this.#closing;
    let attempts = 0;
    let sentAt = Number.NEGATIVE_INFINITY;
    let wasSilent = false;
    while (!signal.aborted) {
      // Once round the servers at once, then less and less often. Behind a server that was silent for longer than that there is no
      // pause: it might come back in it.
      if (attempts >= servers.length) await this.#pause(sentAt, 50 * 2 ** Math.min(attempts - servers.length, 5));
      if (signal.aborted) return;
      attempts += 1;
      sentAt = performance.now();
      const hadSession = this.#session !== undefined;
      const end = await this.#tryServer(servers[this.#nextServer++ % servers.length] as string, sentAt);
      if (end.kind === 'expired') this.#endSession(this.#session);
      if (end.kind === 'refused') this.#onRefused(end.error);
      // A server that accepts connections and closes them immediately is no better than one that is down.
      if (end.wasOpen && performance.now() - sentAt > longestBackoffMs) attempts = 0;
      // After silence, it may close a connection only because it is just ending that session: it is there again.
      const isSilent = !end.wasOpen && performance.now() - sentAt >= answerTimeoutMs(this.#settings.sessionTimeoutMs);
      if (wasSilent && !isSilent) attempts = 0;
      wasSilent = isSilent;
      // It is there, and will begin a new session.
      if (end.kind === 'expired' && hadSession) sentAt = Number.NEGATIVE_INFINITY;
    }
  }

  /** Connects to a server, and stays until the connection ends. */
  async #tryServer(server: string, sentAt: number): Promise<End & { wasOpen: boolean }> {
    const session = this.#session;
    // Servers that restarted without their data refuse a client that has seen a later transaction, and never report the session
    // as expired. By then, nothing is held in it.
    if (session !== undefined && sentAt - session.confirmedAt > 2 * session.timeoutMs) this.#endSession(session);
    const { clientFactory, sessionTimeoutMs, auth } = this.#settings;
    const connection = new Connection({
      ...{ server, clientFactory, sessionTimeoutMs, auth },
      answerTimeoutMs: answerTimeoutMs(sessionTimeoutMs),
      resume: this.#session,
      dialect: this.dialect,
      signal: this.#closing.signal,
    });
    const probing = new AbortController();
    if (this.#session === undefined) {
      void probeSilentServer(server, probing.signal).then((error) => error && connection.refuse(error));
    }
    const opened = await connection.open();
    probing.abort();
    const end = opened === 'open' ? await this.#serve(connection, sentAt) : opened;
    if (end.kind !== 'expired') this.#problems.set(server, end);
    return { ...end, wasOpen: opened === 'open' };
  }

  async #serve(connection: Connection, sentAt: number): Promise<End> {
    const { id, password, timeoutMs } = connection.session;
    if (this.#session === undefined || !this.#session.id.equals(id)) {
      this.#endSession(this.#session);
      this.#session = { id, password, timeoutMs, zxid: connection.zxid, confirmedAt: sentAt, over: false };
    }
    const session = this.#session;
    // The leader has a say in each handshake.
    session.confirmedAt = Math.max(session.confirmedAt, sentAt);
    session.timeoutMs = timeoutMs;
    const link: Link = { session, connection };
    this.current = link;
    this.#listener.onLink(link);
    for (const { resolve } of this.#waiting) resolve(link);
    this.#waiting.clear();
    const end = await connection.ended;
    session.zxid = connection.zxid;
    if (this.current === link) this.current = undefined;
    // A server that accepts us and then says nothing is as good as none.
    if (connection.hasAnswered) this.#downSince = performance.now();
    return end;
  }

  /** A refusal ends the attempts until somebody asks again, unless another server or a session that may still live is left. */
  #onRefused(error: Error): void {
    if (!(error instanceof WrongServer)) {
      this.#endSession(this.#session);
      throw error;
    }
    if (this.#session !== undefined) return;
    const problems = this.#settings.servers.map((server) => this.#problems.get(server));
    const areAllWrong = problems.every((end) => end?.kind === 'refused' && end.error instanceof WrongServer);
    if (areAllWrong) throw new WrongServer(this.#describeProblems());
  }

  #endSession(session: Session | undefined): void {
    if (session === undefined || session.over) return;
    session.over = true;
    if (this.#session === session) this.#session = undefined;
    this.#listener.onSessionOver(session);
  }

  /** Tells those who wait, and tries again only for the next who asks. */
  #giveUp(error: unknown): void {
    this.#running = undefined;
    this.#rejectWaiting(error);
  }

  #rejectWaiting(error: unknown): void {
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting.clear();
  }

  async #pause(since: number, longestMs: number): Promise<void> {
    // Half of it is random, so that the clients of a server that comes back do not all come at once.
    const ms = Math.min(longestMs, longestBackoffMs) / 2;
    const leftMs = since + ms + randomInt(Math.ceil(ms) + 1) - performance.now();
    if (leftMs <= 0) return;
    await new Promise<void>((resolve) => {
      this.#stopPausing = resolve;
      setTimeout(resolve, leftMs).unref();
    });
  }

  #nextLink(): Promise<Link> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(entry);
        reject(new NotSent(`there is no connection: ${this.#describeProblems()}`));
      }, linkWaitMs);
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
      this.#waiting.add(entry);
    });
  }

  /** What went wrong with each server, in its own words where it has answered. */
  #describeProblems(): string {
    const describe = (server: string): string => {
      const end = this.#problems.get(server);
      if (end === undefined) return `${server} has not answered yet`;
      return `${server} ${end.kind === 'lost' ? end.reason : end.error.message}`;
    };
    return this.#settings.servers.map(describe).join('; ');
  }
}
