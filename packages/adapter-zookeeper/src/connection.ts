import type { ClientFactory, ZookeeperClient } from './client.ts';
import { type Creates, type Dialect, readFrames, teachCreates } from './client-patches.ts';
import { codeOf, codes, isAnswer, Unanswered } from './failures.ts';

/** Why a connection has ended. */
export type End = 'lost' | 'expired' | 'auth-failed';

/** One TCP connection to one server, for one session. It ends once, and never comes back. */
export interface Connection {
  readonly sessionId: Buffer;
  readonly sessionPassword: Buffer;
  /** What the server granted. */
  readonly sessionTimeoutMs: number;
  /** The newest transaction that the server has shown us. */
  readonly zxid: Buffer;
  /** Whether any request has been answered. */
  readonly hasAnswered: boolean;
  /** Whether requests can be sent; `ended` tells of the end a little later. */
  readonly isOpen: boolean;
  /** Its way of creating nodes. */
  readonly creates: Creates;
  readonly ended: Promise<End>;
  /** Sends one request. Rejects with `Unanswered` when the connection ends first, which is always in bounded time. */
  call<T>(send: (client: ZookeeperClient, done: (error: unknown, result: T) => void) => void): Promise<T>;
  /** Closes the session, waiting for the server no longer than an answer may take, and the connection. */
  close(): Promise<void>;
}

export interface ConnectionTerms {
  readonly server: string;
  readonly clientFactory: ClientFactory;
  readonly sessionTimeoutMs: number;
  readonly auth: { readonly scheme: string; readonly credentials: Buffer } | undefined;
  /** How long the server may be mute while we wait for it, in the handshake and afterwards. */
  readonly answerTimeoutMs: number;
  /** The session to go on with. */
  readonly resume: { readonly id: Buffer; readonly password: Buffer; readonly zxid: Buffer } | undefined;
  readonly dialect: Dialect;
  /** Gives up the handshake. */
  readonly signal: AbortSignal;
}

// The library's states, by code.
const connected = 3;
const disconnected = 0;
const expired = -122;
const authFailed = 4;

const lostCall = (): Unanswered => new Unanswered('the connection to the server was lost');

interface Call {
  readonly sentAt: number;
  readonly reject: (error: Error) => void;
}

/**
 * Connects to one server, and gives the connection or the reason why there is none.
 *
 * The library has no time-out for the handshake nor for an answer, does not say that a connection attempt failed, and connects
 * again by rules of its own, at times never. So each of its clients serves one connection only.
 */
export function openConnection(terms: ConnectionTerms): Promise<Connection | End> {
  const { answerTimeoutMs, resume, signal } = terms;
  const client = terms.clientFactory(terms.server, {
    sessionTimeout: terms.sessionTimeoutMs,
    spinDelay: 0,
    retries: 0,
    sessionId: resume?.id,
    sessionPassword: resume?.password,
  });
  const manager = client.connectionManager;
  // A server that lags behind what we have seen must not take us (H74).
  if (resume !== undefined) manager.zxid = resume.zxid;
  if (terms.auth !== undefined) client.addAuthInfo(terms.auth.scheme, terms.auth.credentials);

  // Answers come in the order of the calls, so one timer for the oldest call is one for all.
  const calls = new Set<Call>();
  let timer: NodeJS.Timeout | undefined;
  let isOpen = false;
  let isCorked = false;
  let hasAnswered = false;
  let answeredAt = Number.NEGATIVE_INFINITY;
  let why: End = 'lost';
  let finish: ((end: End) => void) | undefined;
  const ended = new Promise<End>((resolve) => {
    finish = resolve;
  });

  function end(): void {
    if (finish === undefined) return;
    const tell = finish;
    finish = undefined;
    isOpen = false;
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
    destroySocket();
    const error = lostCall();
    for (const call of calls) call.reject(error);
    calls.clear();
    tell(why);
  }

  function destroySocket(): void {
    const destroy = (): void => {
      manager.socket?.destroy();
      clearTimeout(manager.connectTimeoutHandler ?? undefined);
    };
    // The library makes its socket, and a timer with it, a tick after it was told to connect.
    if (manager.socket === undefined) process.nextTick(destroy);
    destroy();
  }

  /** Sends all requests of a turn in one piece: the library writes each by itself, which costs more than all the rest. */
  function corkTick(): void {
    const { socket } = manager;
    if (isCorked || socket === undefined) return;
    isCorked = true;
    socket.cork();
    process.nextTick(() => {
      isCorked = false;
      socket.uncork();
    });
  }

  function watchSilence(forMs: number): void {
    timer = setTimeout(() => {
      // After a stall of this process the answer may have arrived already: first read what is there.
      setImmediate(onSilence);
    }, forMs);
    timer.unref();
  }

  function onSilence(): void {
    timer = undefined;
    if (finish === undefined) return;
    const oldest = calls.values().next().value;
    if (oldest === undefined) {
      if (!isOpen) end();
      return;
    }
    // A server with thousands of calls before it is slow, and not mute: the oldest may wait as long as answers come in.
    const leftMs = Math.max(oldest.sentAt, answeredAt) + answerTimeoutMs - performance.now();
    if (leftMs <= 0) end();
    else watchSilence(leftMs);
  }

  const connection: Connection = {
    creates: teachCreates(manager, readFrames(manager, terms.dialect, end), terms.dialect),
    get isOpen() {
      return isOpen;
    },
    get sessionId() {
      return client.getSessionId();
    },
    get sessionPassword() {
      return client.getSessionPassword();
    },
    get sessionTimeoutMs() {
      return client.getSessionTimeout();
    },
    get zxid() {
      return manager.zxid;
    },
    get hasAnswered() {
      return hasAnswered;
    },
    ended,
    call(send) {
      return new Promise((resolve, reject) => {
        if (!isOpen) return reject(new Unanswered('there is no connection to the server'));
        const call: Call = { sentAt: performance.now(), reject };
        calls.add(call);
        if (timer === undefined) watchSilence(answerTimeoutMs);
        corkTick();
        send(client, (error, result) => {
          if (!calls.delete(call)) return;
          answeredAt = performance.now();
          hasAnswered ||= !error || isAnswer(error);
          if (error) reject(isAnswer(error) || codeOf(error) === codes.authFailed ? error : lostCall());
          else resolve(result);
        });
      });
    },
    async close() {
      if (isOpen) {
        // The library throws when its socket is gone already.
        try {
          client.close();
        } catch {}
        clearTimeout(timer);
        timer = setTimeout(end, Math.min(answerTimeoutMs, 1_000));
      } else end();
      await ended;
    },
  };

  return new Promise((resolve) => {
    void ended.then(resolve);
    client.on('state', (state) => {
      const code = state.getCode();
      if (code === expired) why = 'expired';
      else if (code === authFailed) why = 'auth-failed';
      else if (code === disconnected) end();
      else if (code === connected && finish !== undefined) {
        clearTimeout(timer);
        timer = undefined;
        isOpen = true;
        signal.removeEventListener('abort', end);
        resolve(connection);
      }
    });
    if (signal.aborted) return end();
    signal.addEventListener('abort', end);
    watchSilence(answerTimeoutMs);
    client.connect();
    // This is what the library does when a connection, or an attempt, has ended.
    manager.connect = end;
  });
}
