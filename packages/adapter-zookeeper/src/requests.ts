import { clientAcl, type NodeStat, type ZookeeperClient } from './client.ts';
import { codeOf, codes, isAnswer, isLeaderRefusal, SessionOver } from './failures.ts';
import type { Settings } from './options.ts';
import { createSessions, type Link, type Session } from './sessions.ts';

/** Node kinds, by the server's numbers. */
export const modes = { persistent: 0, ephemeralSequential: 3, container: 4 } as const;

/** A new node. */
export interface Made {
  /** With the sequence number, if it has one. */
  readonly path: string;
  readonly session: Session;
  /** `undefined` where the server does not tell. */
  readonly stat: NodeStat | undefined;
}

/** The few requests that a lock takes, each sent once and answered or rejected in bounded time. */
export interface Requests {
  /** Makes a node. */
  create(path: string, mode: number): Promise<Made>;
  /** `false` when there is no such node. */
  remove(path: string): Promise<boolean>;
  /** `undefined` when there is no such node. */
  stat(path: string): Promise<NodeStat | undefined>;
  /** The names of the children; none when there is no such node. With `fresh`, nothing that was done before is missing. */
  children(path: string, fresh?: 'fresh'): Promise<string[]>;
  /** Sets a watch; gives the connection on which it stands, or `undefined` when there is no such node (then none stands, H73). */
  watch(path: string, onEvent: () => void): Promise<Link['connection'] | undefined>;
  /** The session of now. */
  session(): Promise<Session>;
  /** Resolves when the leader has said a short while ago that our session is alive, having asked it if need be. */
  confirmed(): Promise<void>;
  /** Until when, in monotonic ms, no server can have ended the session. */
  sessionValidUntil(session: Session): number;
  /** For how long nothing has been answered for want of a connection; 0 when there is one that answers. */
  readonly downForMs: number;
  /** Whether servers of 3.4 are among them, which know no containers. */
  readonly hasOldServers: boolean;
  close(): Promise<void>;
}

/**
 * How much of the session time-out we count on. The leader alone ends sessions, and it hears of us from our follower with a delay
 * of up to a tick, or of the last beat if the follower dies; hence the third that is left out. The Java client calls itself
 * disconnected after as long a silence.
 */
const trustedShare = 2 / 3;
const beatsPerSession = 10;

export function createRequests(settings: Settings, isInUse: () => boolean, onConnect: () => void): Requests {
  const acl = clientAcl(settings.acl);
  const sessions = createSessions(settings, (link) => {
    heartbeat(link);
    onConnect();
  });
  const now = (): number => performance.now();
  let confirming: Promise<void> | undefined;

  async function read<T>(send: Parameters<typeof ask<T>>[1]): Promise<T> {
    return ask(sessions.current ?? (await sessions.link()), send);
  }

  function ask<T>(
    link: Link,
    send: (client: ZookeeperClient, done: (error: unknown, result: T) => void) => void,
  ): Promise<T> {
    return link.connection.call(send);
  }

  /** A write is answered by the leader and a majority: a follower that is cut off from them cannot answer it. */
  async function write<T>(link: Link, send: Parameters<typeof ask<T>>[1]): Promise<T> {
    const sentAt = now();
    const confirm = (): void => {
      link.session.confirmedAt = Math.max(link.session.confirmedAt, sentAt);
    };
    try {
      const result = await ask(link, send);
      confirm();
      return result;
    } catch (error) {
      if (isLeaderRefusal(error)) confirm();
      throw error;
    }
  }

  /** A write that changes nothing. Whatever it is answered, the leader has spoken. */
  async function askLeader(): Promise<void> {
    const link = sessions.current ?? (await sessions.link());
    try {
      await write<void>(link, (client, done) =>
        client
          .transaction()
          .check('/')
          .commit((error) => done(error)),
      );
    } catch (error) {
      if (!isAnswer(error)) throw error;
    }
  }

  function confirm(): Promise<void> {
    confirming ??= askLeader().finally(() => {
      confirming = undefined;
    });
    return confirming;
  }

  /**
   * Asks again and again as long as the connection stands: notices a server that has gone mute (the library never does, H66),
   * keeps the session, and learns whether the leader still has it. A follower that is cut off answers reads for long, so while
   * there are nodes of ours it is a write; else a read will do.
   */
  function heartbeat(link: Link): void {
    const everyMs = link.session.timeoutMs / beatsPerSession;
    let asking = false;
    const timer = setInterval(() => {
      if (asking) return;
      asking = true;
      const done = (): void => {
        asking = false;
      };
      (isInUse() ? confirm() : ask(link, (client, done) => client.exists('/', done))).then(done, done);
    }, everyMs);
    timer.unref();
    void link.connection.ended.then(() => clearInterval(timer));
  }

  /** `undefined` for a node that is not there. */
  function orMissing(error: unknown): undefined {
    if (codeOf(error) !== codes.noNode) throw error;
  }

  return {
    async create(path, mode) {
      const link = sessions.current ?? (await sessions.link());
      const { session, connection } = link;
      const send = (): Promise<string> =>
        write<string>(link, (client, done) => client.create(path, null, acl, mode, done));
      const made = await send().catch((error: unknown) => {
        // From now on it asks as an old server understands it.
        if (mode === modes.ephemeralSequential && codeOf(error) === codes.unimplemented) return send();
        throw error;
      });
      return { path: made, session, stat: connection.creates.takeStat(made) };
    },
    async remove(path) {
      const link = sessions.current ?? (await sessions.link());
      return write<void>(link, (client, done) => client.remove(path, -1, (error) => done(error))).then(
        () => true,
        (error: unknown) => orMissing(error) ?? false,
      );
    },
    async stat(path) {
      const stat = await read<NodeStat | null>((client, done) => client.exists(path, done));
      return stat ?? undefined;
    },
    async children(path, fresh) {
      // The read is answered after the write that was sent before it, so it sees all that came before that.
      const writing = fresh && askLeader();
      writing?.catch(() => {});
      const names = await read<string[]>((client, done) => client.getChildren(path, done)).catch(orMissing);
      await writing;
      return names ?? [];
    },
    async watch(path, onEvent) {
      const link = sessions.current ?? (await sessions.link());
      return ask<void>(link, (client, done) => client.getData(path, onEvent, (error) => done(error))).then(
        () => link.connection,
        orMissing,
      );
    },
    session: async () => (sessions.current ?? (await sessions.link())).session,
    async confirmed() {
      const link = sessions.current ?? (await sessions.link());
      const { session } = link;
      if (now() - session.confirmedAt > (2 * session.timeoutMs) / beatsPerSession) await confirm();
      if (session.over) throw new SessionOver();
    },
    sessionValidUntil: (session) => session.confirmedAt + session.timeoutMs * trustedShare,
    get downForMs() {
      return sessions.downForMs;
    },
    get hasOldServers() {
      return sessions.dialect.isOld;
    },
    close: () => sessions.close(),
  };
}
