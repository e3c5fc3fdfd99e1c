import { type ByteConnection, sendBytes } from '../../engine/socket.ts';
import { back, type FrontMessage, Inbox, Reader, readParameters, readStartup } from './messages.ts';
import { columnsOf } from './queries.ts';
import type { Node } from './scope.ts';
import type { Server } from './server.ts';
import { type Session, statementsOf } from './session.ts';
import { SqlError } from './values.ts';

interface Prepared {
  readonly text: string;
  readonly statements: readonly Node[];
}

interface Portal extends Prepared {
  readonly parameters: readonly (string | null)[];
}

/** The server's side of one connection: speaks the protocol, one message after the other. */
export class Front {
  readonly #server: Server;
  readonly #connection: ByteConnection;
  readonly #inbox = new Inbox();
  readonly #waiting: FrontMessage[] = [];
  readonly #prepared = new Map<string, Prepared>();
  readonly #portals = new Map<string, Portal>();
  #session: Session | undefined;
  #isClosed = false;
  /** After an error, until the client says Sync. */
  #skips = false;
  #out: Buffer[] = [];

  constructor(server: Server, connection: ByteConnection) {
    this.#server = server;
    this.#connection = connection;
    connection.bytes = { onData: (chunk) => this.#onData(chunk), onEnd: () => {} };
    connection.onEnd('server', () => this.#onEnd());
  }

  get session(): Session | undefined {
    return this.#session;
  }

  /** Whether its client is there. */
  get isOpen(): boolean {
    return !this.#isClosed;
  }

  notify(pid: number, channel: string, payload: string): void {
    // Inside a transaction it is told behind it.
    this.#out.push(back.notified(pid, channel, payload));
    if (this.#session?.status === 'I' && !this.#session.backend.isBusy) this.#flush();
  }

  /** Ends the session from the side of the server. */
  terminate(error: SqlError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#out = [back.failed(error)];
    this.#flush();
    this.#connection.close('server');
    this.#leave();
  }

  /** Ends with the server. */
  drop(): void {
    this.#isClosed = true;
    this.#leave(true);
  }

  #leave(crashes = false): void {
    const session = this.#session;
    this.#session = undefined;
    this.#server.ended(this);
    session?.end(crashes);
  }

  /** Nobody hears the answers any more; a statement that runs comes to its end all the same. */
  #onEnd(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#waiting.length = 0;
    if (this.#session?.backend.isBusy !== true) this.#leave();
  }

  #onData(chunk: Buffer): void {
    if (this.#isClosed) return;
    for (const message of this.#inbox.take(chunk)) {
      if (message.type === '') this.#begin(message.body);
      else this.#waiting.push(message);
    }
    this.#serve();
  }

  #begin(body: Buffer): void {
    const startup = readStartup(body);
    if (startup.kind === 'encryption') return sendBytes(this.#connection, Buffer.from('N'));
    if (startup.kind === 'cancel') {
      this.#server.cancel(startup.pid);
      return this.#connection.close('server');
    }
    const refusal = this.#server.admit(startup.parameters);
    if (refusal !== undefined) return this.terminate(refusal);
    this.#inbox.begin();
    const session = this.#server.open();
    for (const [name, value] of startup.parameters) session.settings.set(name, value);
    this.#session = session;
    const parameters = [back.parameter('server_version', '15.18'), back.parameter('client_encoding', 'UTF8')];
    this.#out.push(back.authenticated(), ...parameters, back.key(session.pid), back.ready('I'));
    this.#flush();
    this.#server.began(this);
  }

  #flush(): void {
    const chunk = Buffer.concat(this.#out.splice(0));
    if (chunk.length > 0 && this.#connection.isOpen) sendBytes(this.#connection, chunk);
  }

  #serve(): void {
    while (this.#session !== undefined && !this.#session.backend.isBusy) {
      const message = this.#waiting.shift();
      if (message === undefined) return;
      this.#handle(this.#session, message);
    }
  }

  #handle(session: Session, { type, body }: FrontMessage): void {
    if (type === 'X') {
      this.#isClosed = true;
      this.#connection.close('server');
      return this.#leave();
    }
    if (type === 'S') {
      this.#skips = false;
      return this.#ready();
    }
    if (this.#skips || type === 'H') return;
    const reader = new Reader(body);
    try {
      if (type === 'Q') this.#query(session, reader.text());
      else this.#extended(session, type, reader);
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      this.#fail(error, type === 'Q');
    }
  }

  #ready(): void {
    this.#out.push(back.ready(this.#session!.status));
    this.#flush();
  }

  #fail(error: SqlError, isSimple: boolean): void {
    this.#out.push(back.failed(error));
    if (isSimple) this.#ready();
    else this.#skips = true;
  }

  #query(session: Session, text: string): void {
    this.#server.checkStatement(text, '');
    this.#run(session, { text, statements: statementsOf(text), parameters: [] }, true);
  }

  #extended(session: Session, type: string, reader: Reader): void {
    if (type === 'P') {
      const [name, text] = [reader.text(), reader.text()];
      this.#server.checkStatement(text, name);
      this.#prepared.set(name, { text, statements: statementsOf(text) });
      this.#out.push(back.parsed());
    } else if (type === 'B') {
      const [portal, name] = [reader.text(), reader.text()];
      const prepared = this.#prepared.get(name);
      if (prepared === undefined) throw new SqlError('26000', `prepared statement "${name}" does not exist`);
      this.#portals.set(portal, { ...prepared, parameters: readParameters(reader) });
      this.#out.push(back.bound());
    } else if (type === 'D') {
      const [what, name] = [reader.bytes(1).toString(), reader.text()];
      const { statements } = (what === 'P' ? this.#portals : this.#prepared).get(name)!;
      const targets = statements[0]?.SelectStmt?.targetList;
      this.#out.push(targets === undefined ? back.noData() : back.columns(columnsOf(targets, [])));
    } else if (type === 'E') this.#run(session, this.#portals.get(reader.text())!, false);
    else if (type === 'C') this.#out.push(back.closed());
    else throw new SqlError('08P01', `the message ${type} is not modelled`);
  }

  #run(session: Session, { statements, text, parameters }: Portal, isSimple: boolean): void {
    session.start(statements, text, parameters, (error, answers = []) => {
      for (const { tag, columns, rows } of answers) {
        if (isSimple && tag.startsWith('SELECT')) this.#out.push(back.columns(columns));
        this.#out.push(...rows.map(back.row));
        this.#out.push(back.complete(tag));
      }
      if (error !== undefined) this.#fail(error, isSimple);
      else if (isSimple) this.#ready();
      this.#server.rested(this);
      if (this.#isClosed) this.#leave();
      else this.#serve();
    });
  }
}
