import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';
import { connectingSignalOf } from './connecting-signal.ts';

/** For so long a connection of ours may leave everything unanswered; then it is taken for dead. */
export const silentMs = 5_000;
const lookEveryMs = 1_000;
/** How long node-redis itself waits for a socket to connect. */
const connectMs = 5_000;

// Taken at load: a test runner's fake timers must not decide about the connections of a shared client.
const { setTimeout: startTimer } = globalThis;

/** The part of a node-redis client by which its connection is judged. */
interface Connection {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  readonly options?: { readonly socket?: object | undefined } | undefined;
}

/**
 * What a connection has been asked, and for how long it has answered nothing. A client of ours then makes another one: to a server that has
 * died without a sign, or through a firewall that has forgotten the connection, TCP would try for minutes. The `socketTimeout` of
 * node-redis starts anew with each request, and ends connections that are only idle.
 */
export class Silence {
  private pending = 0;
  private longestMs = silentMs;
  // Answers are counted, and the clock is read only on demand: it is slow, and a connection is rarely silent.
  private progress = 0;
  private datedProgress = -1;
  private datedAt = 0;
  private timer: NodeJS.Timeout | undefined;
  private readonly client: () => Connection | undefined;

  constructor(client: () => Connection | undefined) {
    this.client = client;
  }

  /** Whether nothing is unanswered. */
  get isAnswered(): boolean {
    return this.pending === 0;
  }

  /** For how long nothing was answered, if something is unanswered; counted from the first look at it. */
  get ms(): number {
    const now = performance.now();
    if (this.progress !== this.datedProgress) {
      this.datedProgress = this.progress;
      this.datedAt = now;
    }
    return this.pending === 0 ? 0 : now - this.datedAt;
  }

  /** Notes that something was asked, with which the server may be busy for so long. */
  until<T>(answer: Promise<T>, busyMs = 0): Promise<T> {
    if (this.pending === 0) this.progress += 1;
    this.pending += 1;
    if (busyMs > 0) this.longestMs = Math.max(this.longestMs, silentMs + busyMs);
    answer.then(this.heard, this.heard);
    if (this.timer === undefined) this.look();
    return answer;
  }

  private readonly heard = (): void => {
    this.pending -= 1;
    this.progress += 1;
  };

  /** Looks now and then, for as long as anything is asked. */
  private look(): void {
    this.timer = startTimer(() => {
      if (this.ms < this.longestMs) this.lookAgain();
      // After a stall of this process the answers may be here, only not read yet.
      else setImmediate(() => this.lookAgain());
    }, lookEveryMs);
    this.timer.unref();
  }

  private lookAgain(): void {
    this.timer = undefined;
    if (this.ms >= this.longestMs) {
      const client = this.client();
      if (client !== undefined) connectingSignalOf(client)?.destroySockets();
    }
    if (this.pending > 0) this.look();
  }
}

/** Has a client of ours give up a connection that was made and then left its first commands without an answer. */
export function leaveMuteConnection(client: Connection): void {
  if (client.isReady || !client.isOpen) return;
  const sockets = connectingSignalOf(client);
  const { connectTimeout = connectMs } = (client.options?.socket ?? {}) as { connectTimeout?: number };
  if (sockets !== undefined && performance.now() - sockets.newestAt > connectTimeout + silentMs) {
    sockets.destroySockets();
  }
}

const silences = new WeakMap<object, Silence>();

/** What is known of the connection of a client; one for all adapters over it. */
export function silenceOf(client: Connection): Silence {
  let silence = silences.get(client);
  if (silence === undefined) {
    silence = new Silence(() => client);
    silences.set(client, silence);
  }
  return silence;
}

/** What a connection to subscribe with that can be asked something beside. */
interface Listening extends Connection {
  sendCommand(args: string[]): Promise<unknown>;
}

/** Has a connection of ours that only listens show that it works. */
export function checkListening(client: Listening): void {
  if (connectingSignalOf(client) === undefined) return;
  leaveMuteConnection(client);
  const silence = silenceOf(client);
  // A user who may not PING is told so, which is an answer.
  if (client.isReady && silence.isAnswered) silence.until(client.sendCommand(['PING'])).catch(() => {});
}
