import { performance } from 'node:perf_hooks';
import { nextTick } from 'node:process';
import { clearTimeout, setImmediate, setTimeout } from 'node:timers';
import { type ClientTerms, makeClient, socketReason, type ZookeeperClient } from './client.ts';
import { type Dialect, type PatchedClient, patchClient } from './client-patches.ts';
import { isAnswer, NotSent, ServerError, Unanswered, WrongServer } from './failures.ts';
import { codes } from './server-answers.ts';

/** Why a connection has ended. */
export type End =
  /** For `reason`; another server, or a later attempt, may do better. */
  | { readonly kind: 'lost'; readonly reason: string }
  /** The server has ended the session. */
  | { readonly kind: 'expired' }
  /** The server will not serve this client. */
  | { readonly kind: 'refused'; readonly error: ServerError | WrongServer };

/** Sends one request through a client. */
export type Send<T> = (client: ZookeeperClient, done: (error: unknown, result: T) => void) => void;

/** What a connection is opened with. */
export interface ConnectionTerms extends ClientTerms {
  /** How long the server may be unresponsive while an answer is due, in the handshake and afterwards. */
  readonly answerTimeoutMs: number;
  readonly dialect: Dialect;
  /** Abandons the handshake. */
  readonly signal: AbortSignal;
}

// The library's states, by code.
const connected = 3;
const disconnected = 0;
const expired = -122;
const authFailed = 4;

const closedUnanswered =
  'closed the connection without an answer (it may have no majority, have too many connections, or expect TLS, which node-zookeeper-client cannot speak)';

interface Call {
  readonly sentAt: number;
  readonly reject: (error: Error) => void;
}

/**
 * One TCP connection to one server, for one session. It ends once, and never comes back.
 *
 * The library has no time-out for the handshake or for an answer, does not report that a connection attempt failed, and reconnects
 * by rules of its own, at times never. So each of its clients serves one connection only.
 */
export class Connection {
  readonly ended: Promise<End>;
  /** Whether any request has been answered. */
  hasAnswered = false;
  /** Whether requests can be sent; `ended` tells of the end a little later. */
  isOpen = false;

  readonly #terms: ConnectionTerms;
  readonly #client: ZookeeperClient;
  readonly #patched: PatchedClient;
  // Answers come in the order of the calls, so one timer for the oldest call is enough.
  readonly #calls = new Set<Call>();
  #timer: NodeJS.Timeout | undefined;
  #isCorked = false;
  #answeredAt = Number.NEGATIVE_INFINITY;
  #end: End = { kind: 'lost', reason: closedUnanswered };
  #resolveEnded: ((end: End) => void) | undefined;
  readonly #endNow = (): void => this.#finish();

  constructor(terms: ConnectionTerms) {
    this.#terms = terms;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#client = makeClient(terms);
    this.#patched = patchClient(this.#client.connectionManager, terms.dialect, {
      onUnreadable: (error) => {
        if (error instanceof WrongServer) this.#end = { kind: 'refused', error };
        else this.#end = { kind: 'lost', reason: `sent what is no answer (${error.message})` };
        this.#finish();
      },
      onAuthenticationRequired: (error) => {
        this.#end = { kind: 'refused', error };
      },
    });
  }

  /** The session that the server granted or continued. */
  get session(): { id: Buffer; password: Buffer; timeoutMs: number } {
    const client = this.#client;
    return {
      id: client.getSessionId(),
      password: client.getSessionPassword(),
      timeoutMs: client.getSessionTimeout(),
    };
  }

  /** The newest transaction that the server has shown us. */
  get zxid(): Buffer {
    return this.#client.connectionManager.zxid;
  }

  /** The stat that came with a node just created, once; none from an old server. */
  takeStat: PatchedClient['takeStat'] = (path) => this.#patched.takeStat(path);

  /** Connects. Resolves once the session is there, or with the reason why there is no connection. */
  open(): Promise<'open' | End> {
    const { signal, answerTimeoutMs } = this.#terms;
    const manager = this.#client.connectionManager;
    return new Promise((resolve) => {
      void this.ended.then(resolve);
      this.#client.on('state', (state) => this.#onState(state.getCode(), () => resolve('open')));
      if (signal.aborted) return this.#finish();
      signal.addEventListener('abort', this.#endNow);
      this.#watchSilence(answerTimeoutMs);
      this.#client.connect();
      // The library creates its socket a tick after `connect`, and does not report the socket's errors.
      nextTick(() => manager.socket?.on('error', (error) => this.#onSocketError(error)));
      // This is what the library calls when a connection, or an attempt, has ended.
      manager.connect = this.#endNow;
    });
  }

  /** Sends one request. Rejects with `Unanswered` when the connection ends first, which is always in bounded time. */
  call<T>(send: Send<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) return reject(new NotSent('there is no connection to the server'));
      const call: Call = { sentAt: performance.now(), reject };
      this.#calls.add(call);
      if (this.#timer === undefined) this.#watchSilence(this.#terms.answerTimeoutMs);
      this.#corkTick();
      try {
        send(this.#client, (error, result) => {
          if (!this.#calls.delete(call)) return;
          this.#answeredAt = performance.now();
          const answered = !error || isAnswer(error);
          this.hasAnswered ||= answered;
          if (!error) resolve(result);
          else reject(answered ? error : this.#whyUnanswered());
        });
      } catch (error) {
        // The library refuses arguments by throwing, and sends nothing.
        if (this.#calls.delete(call)) reject(error);
      }
    });
  }

  /** Ends the connection: the server turned out not to be one of ZooKeeper. */
  refuse(error: WrongServer): void {
    this.#end = { kind: 'refused', error };
    this.#finish();
  }

  /** Closes the session, waiting a bounded time for the server's answer, and then the connection. */
  async close(): Promise<void> {
    if (this.isOpen) {
      // The library throws when its socket is gone already.
      try {
        this.#client.close();
      } catch {}
      clearTimeout(this.#timer);
      this.#timer = setTimeout(this.#endNow, Math.min(this.#terms.answerTimeoutMs, 1_000));
    } else this.#finish();
    await this.ended;
  }

  #onState(code: number, onOpen: () => void): void {
    if (code === expired) this.#end = { kind: 'expired' };
    else if (code === authFailed) this.#end = { kind: 'refused', error: new ServerError(codes.authFailed) };
    else if (code === disconnected) this.#finish();
    else if (code === connected && this.#resolveEnded !== undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.isOpen = true;
      this.#end = { kind: 'lost', reason: 'closed the connection' };
      this.#terms.signal.removeEventListener('abort', this.#endNow);
      onOpen();
    }
  }

  #onSocketError(error: Error & { code?: string }): void {
    if (this.#end.kind === 'lost') this.#end = { kind: 'lost', reason: socketReason(error) };
  }

  #finish(): void {
    const resolve = this.#resolveEnded;
    if (resolve === undefined) return;
    this.#resolveEnded = undefined;
    this.isOpen = false;
    clearTimeout(this.#timer);
    this.#terms.signal.removeEventListener('abort', this.#endNow);
    this.#destroySocket();
    const error = this.#whyUnanswered();
    for (const call of this.#calls) call.reject(error);
    this.#calls.clear();
    resolve(this.#end);
  }

  /** A server that refuses the client refuses all that is under way, and carries none of it out. */
  #whyUnanswered(): Error {
    return this.#end.kind === 'refused' ? this.#end.error : new Unanswered('the connection to the server was lost');
  }

  #destroySocket(): void {
    const manager = this.#client.connectionManager;
    const destroy = (): void => {
      manager.socket?.destroy();
      clearTimeout(manager.connectTimeoutHandler ?? undefined);
    };
    // The library makes its socket, and a timer with it, a tick after it was told to connect.
    if (manager.socket === undefined) nextTick(destroy);
    destroy();
  }

  /** Sends all requests of a tick in one piece: the library writes each by itself, which costs more than all the rest. */
  #corkTick(): void {
    const { socket } = this.#client.connectionManager;
    if (this.#isCorked || socket === undefined) return;
    this.#isCorked = true;
    socket.cork();
    nextTick(() => {
      this.#isCorked = false;
      socket.uncork();
    });
  }

  #watchSilence(forMs: number): void {
    this.#timer = setTimeout(() => {
      // After a stall of this process, an answer may have arrived already: first read what is there.
      setImmediate(() => this.#onSilence());
    }, forMs);
    this.#timer.unref();
  }

  #onSilence(): void {
    this.#timer = undefined;
    if (this.#resolveEnded === undefined) return;
    const oldest = this.#calls.values().next().value;
    if (oldest === undefined) {
      if (!this.isOpen) this.#endUnresponsive();
      return;
    }
    // A server with thousands of calls before it is slow, but not unresponsive: the oldest may wait while answers come in.
    const leftMs = Math.max(oldest.sentAt, this.#answeredAt) + this.#terms.answerTimeoutMs - performance.now();
    if (leftMs <= 0) this.#endUnresponsive();
    else this.#watchSilence(leftMs);
  }

  #endUnresponsive(): void {
    this.#end = { kind: 'lost', reason: `did not answer within ${Math.round(this.#terms.answerTimeoutMs)} ms` };
    this.#finish();
  }
}
