import { performance } from 'node:perf_hooks';
import { nextTick } from 'node:process';
import { contradictory, isNames, isStat, missing, unexpected } from './answers.ts';
import { clientAcl, type NodeStat } from './client.ts';
import type { Connection, Send } from './connection.ts';
import { codeOf, SessionOver } from './failures.ts';
import { heartbeatsPerSession, keepAlive } from './heartbeat.ts';
import { sequenceOf } from './names.ts';
import type { Settings } from './options.ts';
import { codes } from './server-answers.ts';
import type { Link, Session } from './session.ts';
import { Sessions } from './sessions.ts';

/** Node kinds, by the server's numbers. */
export const modes = { persistent: 0, ephemeralSequential: 3, container: 4 } as const;

/** A new node. */
export interface CreatedNode {
  /** With the sequence number, if it has one. */
  readonly path: string;
  readonly session: Session;
  /** `undefined` where the server does not tell. */
  readonly stat: NodeStat | undefined;
}

/** Who is told about the connection, and whether there is anything to keep the session for. */
export interface RequestsListener {
  isInUse(): boolean;
  onConnect(): void;
  onSessionOver(session: Session): void;
}

/** The few requests that a lock takes, each sent once and answered or rejected in bounded time. */
export class Requests {
  readonly #sessions: Sessions;
  readonly #acl: object[];
  #confirming: Promise<void> | undefined;
  #barrierOfTick: Promise<void> | undefined;

  constructor(settings: Settings, listener: RequestsListener) {
    this.#acl = clientAcl(settings.acl);
    this.#sessions = new Sessions(settings, {
      onLink: (link) => {
        keepAlive(
          link,
          () => listener.isInUse(),
          () => this.#confirm(),
        );
        listener.onConnect();
      },
      onSessionOver: (session) => listener.onSessionOver(session),
    });
  }

  /** Creates a node. `onSent` is called with the session when the request goes out. */
  async create(path: string, mode: number, onSent?: (session: Session) => void): Promise<CreatedNode> {
    const link = this.#sessions.current ?? (await this.#sessions.link());
    const { session, connection } = link;
    onSent?.(session);
    const created = await this.#write<string>(link, (client, done) => client.create(path, null, this.#acl, mode, done));
    const stat = connection.takeStat(created);
    const isOurs = typeof created === 'string' && created.startsWith(path);
    if (!isOurs || (mode === modes.ephemeralSequential && sequenceOf(created) === undefined))
      throw unexpected('create');
    return { path: created, session, stat };
  }

  /** Removes a node; `false` when there is no such node. */
  async remove(path: string): Promise<boolean> {
    const link = this.#sessions.current ?? (await this.#sessions.link());
    try {
      await this.#write<void>(link, (client, done) => client.remove(path, -1, (error) => done(error)));
      return true;
    } catch (error) {
      missing(error);
      if ((await this.stat(path)) !== undefined) throw contradictory('delete');
      return false;
    }
  }

  /** The stat of a node; `undefined` when there is no such node. */
  async stat(path: string): Promise<NodeStat | undefined> {
    const stat = await this.#read<NodeStat | null>((client, done) => client.exists(path, done));
    if (stat != null && !isStat(stat)) throw unexpected('exists');
    return stat ?? undefined;
  }

  /** As `stat`; nothing that the leader had done before this call is missing from it. */
  freshStat(path: string): Promise<NodeStat | undefined> {
    return this.#behindBarrier(() => this.stat(path));
  }

  /** What a node holds; `undefined` when there is no such node. */
  async data(path: string): Promise<Buffer | undefined> {
    return this.#read<Buffer | undefined>((client, done) => client.getData(path, undefined, done)).catch(missing);
  }

  /** Writes what a node holds, and gives its stat; `undefined` when there is no such node. */
  async setData(path: string, data: Buffer): Promise<NodeStat | undefined> {
    const link = this.#sessions.current ?? (await this.#sessions.link());
    const write: Send<NodeStat> = (client, done) => client.setData(path, data, -1, done);
    const stat = await this.#write(link, write).catch(missing);
    if (stat !== undefined && !isStat(stat)) throw unexpected('setData');
    return stat;
  }

  /** The names of the children; none when there is no such node. */
  async children(path: string): Promise<string[]> {
    return (await this.#childrenOf(path)) ?? [];
  }

  /** As `children`; nothing that the leader had done before this call is missing from it. */
  freshChildren(path: string): Promise<string[]> {
    return this.#behindBarrier(async () => {
      const names = await this.#childrenOf(path);
      if (names !== undefined || (await this.stat(path)) === undefined) return names ?? [];
      // Created in between, or the first answer was wrong.
      const again = await this.#childrenOf(path);
      if (again === undefined) throw contradictory('getChildren');
      return again;
    });
  }

  /** Sets a watch; gives the connection that it belongs to, or `undefined` when there is no such node (H73). */
  async watch(path: string, onEvent: () => void): Promise<Connection | undefined> {
    const { connection } = this.#sessions.current ?? (await this.#sessions.link());
    const answered = connection.call<void>((client, done) => client.getData(path, onEvent, (error) => done(error)));
    return answered.then(() => connection, missing);
  }

  /** Sets a watch on the children; gives what they are now, and the connection that it belongs to. */
  async watchChildren(path: string, onEvent: () => void): Promise<{ names: string[]; connection: Connection }> {
    const { connection } = this.#sessions.current ?? (await this.#sessions.link());
    const answered = connection.call<string[]>((client, done) => client.getChildren(path, onEvent, done));
    const names = (await answered.catch(missing)) ?? [];
    if (!isNames(names)) throw unexpected('getChildren');
    return { names, connection };
  }

  /** The session of now. */
  async session(): Promise<Session> {
    return (this.#sessions.current ?? (await this.#sessions.link())).session;
  }

  /** Resolves when the leader has said a short while ago that our session is alive, having asked it if need be. */
  async confirmed(): Promise<void> {
    const { session } = this.#sessions.current ?? (await this.#sessions.link());
    if (performance.now() - session.confirmedAt > (2 * session.timeoutMs) / heartbeatsPerSession) await this.#confirm();
    if (session.over) throw new SessionOver();
  }

  /** Whether requests can be sent at once. */
  get isConnected(): boolean {
    return this.#sessions.current?.connection.isOpen ?? false;
  }

  /** For how long nothing has been answered for want of a connection; 0 when there is one that answers. */
  get downForMs(): number {
    return this.#sessions.downForMs;
  }

  /** Whether servers of 3.4 are among them, which know no containers. */
  get hasOldServers(): boolean {
    return this.#sessions.dialect.isOld;
  }

  /** Ends a session, and all its nodes with it. */
  discard(session: Session): Promise<void> {
    return this.#sessions.discard(session);
  }

  close(): Promise<void> {
    return this.#sessions.close();
  }

  async #childrenOf(path: string): Promise<string[] | undefined> {
    const names = await this.#read<string[]>((client, done) => client.getChildren(path, done)).catch(missing);
    if (names !== undefined && !isNames(names)) throw unexpected('getChildren');
    return names;
  }

  async #read<T>(send: Send<T>): Promise<T> {
    const { connection } = this.#sessions.current ?? (await this.#sessions.link());
    return connection.call(send);
  }

  /**
   * A write is carried out by the leader and a majority: a follower that is cut off from them cannot do it. Errors may be
   * answers of its own (`enableEagerACLCheck`).
   */
  async #write<T>({ session, connection }: Link, send: Send<T>): Promise<T> {
    const sentAt = performance.now();
    const result = await connection.call(send);
    session.confirmedAt = Math.max(session.confirmedAt, sentAt);
    return result;
  }

  /** A write that changes nothing. Only the leader checks the ACL of a transaction, so a refusal also shows that it was asked. */
  async #askLeader(): Promise<void> {
    const link = this.#sessions.current ?? (await this.#sessions.link());
    await this.#write<void>(link, (client, done) =>
      client
        .transaction()
        .check('/')
        .commit((error) => done(codeOf(error) === codes.noAuth ? undefined : error)),
    );
  }

  /** The requests of a connection are carried out in order: a read behind a write sees all that came before that write. */
  async #behindBarrier<T>(read: () => Promise<T>): Promise<T> {
    const barrier = this.#barrier();
    barrier.catch(() => {});
    const result = await read();
    await barrier;
    return result;
  }

  /** One for all calls of a tick: it is not sent before the end of the tick. */
  #barrier(): Promise<void> {
    if (this.#barrierOfTick !== undefined) return this.#barrierOfTick;
    const forget = (): void => {
      this.#barrierOfTick = undefined;
    };
    nextTick(forget);
    this.#barrierOfTick = this.#askLeader();
    // It may fail before the tick ends, and the next call is to try again.
    this.#barrierOfTick.catch(forget);
    return this.#barrierOfTick;
  }

  #confirm(): Promise<void> {
    this.#confirming ??= this.#askLeader().finally(() => {
      this.#confirming = undefined;
    });
    return this.#confirming;
  }
}
