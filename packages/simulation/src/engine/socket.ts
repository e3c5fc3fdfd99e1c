import { AsyncResource } from 'node:async_hooks';
import { Duplex } from 'node:stream';
import type { Environment } from './environment.ts';
import type { Timer } from './machine.ts';
import type { Connection, Network } from './network.ts';

/** What a server does with the bytes of one connection. */
export interface ByteStream {
  onData(chunk: Buffer): void;
  onEnd(): void;
}

/** A connection that carries bytes: how a server's end is attached to it. */
export interface ByteConnection extends Connection {
  bytes?: ByteStream;
}

export const firstPort = 7_001;

/** Node's `net` for one simulated process: port 7001 is the first server. */
export function createNet(network: Network, client: number, environment: Environment): object {
  type Options = { readonly port: number; readonly host?: string; readonly signal?: AbortSignal };
  const connect = (target: Options | number, ...more: unknown[]): SimulatedSocket => {
    const { port, signal }: Options = typeof target === 'number' ? { port: target } : target;
    const onConnect = more.find((one): one is () => void => typeof one === 'function');
    const socket = new SimulatedSocket(network, client, environment);
    socket.connect(port);
    // As Node does for the option `signal`.
    const aborted = (): void => void socket.destroy(failure('ABORT_ERR', 'The operation was aborted'));
    if (signal?.aborted) aborted();
    signal?.addEventListener('abort', aborted, { once: true });
    socket.once('close', () => signal?.removeEventListener('abort', aborted));
    if (onConnect) socket.once('connect', onConnect);
    return socket;
  };
  return {
    connect,
    createConnection: connect,
    socket: () => new SimulatedSocket(network, client, environment),
    isIP: (text: string) => (/^\d+(\.\d+){3}$/.test(text) ? 4 : 0),
    isIPv6: () => false,
    /** A connection that carries something other than bytes. */
    open: (server: number, opened: () => void, refused: () => void) =>
      network.connect(client, environment.machine, server, opened, refused),
  };
}

/** A TCP socket as clients see it: bytes in order, or an error, or silence. */
class SimulatedSocket extends Duplex {
  connecting = false;
  readonly remoteAddress = '127.0.0.1';
  remotePort = 0;
  readonly #network: Network;
  readonly #client: number;
  readonly #environment: Environment;
  #connection: Connection | undefined;
  readonly #context = new AsyncResource('TCPWRAP');
  #idle: Timer | undefined;
  #idleMs = 0;
  #unsent: (() => void)[] = [];

  constructor(network: Network, client: number, environment: Environment) {
    super({ allowHalfOpen: false });
    this.#network = network;
    this.#client = client;
    this.#environment = environment;
  }

  connect(port: number | string): this {
    this.connecting = true;
    this.remotePort = Number(port);
    const context = this.#context;
    const within = (run: () => void) => (): void => void context.runInAsyncScope(run);
    const opened = this.#network.connect(
      this.#client,
      this.#environment.machine,
      this.remotePort - firstPort,
      within(() => this.#connected()),
      within(() => this.destroy(failure('ECONNREFUSED', `connect ECONNREFUSED 127.0.0.1:${this.remotePort}`))),
    );
    this.#connection = opened;
    opened.onEnd('client', (broke) =>
      context.runInAsyncScope(() => {
        if (broke) this.destroy(failure('ECONNRESET', 'read ECONNRESET'));
        else this.push(null);
      }),
    );
    const connection = opened as Connection & { toClient?: (chunk: Buffer) => void };
    connection.toClient = (chunk) =>
      context.runInAsyncScope(() => {
        this.#touch();
        this.push(chunk);
      });
    return this;
  }

  #connected(): void {
    if (this.destroyed) return this.#connection!.close('client');
    this.connecting = false;
    for (const send of this.#unsent.splice(0)) send();
    this.#touch();
    this.emit('connect');
    this.emit('ready');
  }

  #touch(): void {
    const { machine } = this.#environment;
    machine.clear(this.#idle);
    this.#idle = this.#idleMs > 0 ? machine.setTimeout(() => this.emit('timeout'), this.#idleMs) : undefined;
    if (this.#idle) machine.discount(this.#idle);
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    const connection = this.#connection as ByteConnection;
    const send = (): void => {
      connection.send('there', () => connection.bytes?.onData(chunk));
      done();
    };
    if (this.connecting) this.#unsent.push(send);
    else send();
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error) => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), '', done);
  }

  override _final(done: () => void): void {
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.connecting = false;
    this.#environment.machine.clear(this.#idle);
    if (this.#connection?.isOpen) this.#connection.close('client');
    done(error);
  }

  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  setTimeout(ms: number, onTimeout?: () => void): this {
    this.#idleMs = ms;
    if (onTimeout && ms > 0) this.once('timeout', onTimeout);
    this.#touch();
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}

const failure = (code: string, message: string): Error =>
  Object.assign(new Error(message), { code, syscall: code === 'ECONNREFUSED' ? 'connect' : 'read' });

/** Sends bytes from a server to the client of a connection. */
export function sendBytes(connection: Connection, chunk: Buffer): void {
  const target = connection as Connection & { toClient?: (chunk: Buffer) => void };
  connection.send('back', () => target.toClient?.(chunk));
}
