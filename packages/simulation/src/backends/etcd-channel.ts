import type { Environment } from '../engine/environment.ts';
import type { Timer } from '../engine/machine.ts';
import { firstPort } from '../engine/socket.ts';
import type { GrpcConnection, ServedCall } from '../servers/etcd/protocol.ts';

export const status = { ok: 0, cancelled: 1, deadlineExceeded: 4, unavailable: 14 };

/** One call as the channel carries it. */
export interface Transfer {
  readonly path: string;
  readonly token: string | undefined;
  /** Sends what the client has said so far; called again for each later connection only if nothing was sent. */
  begin(send: (run: (call: ServedCall) => void) => void): void;
  onMessage(bytes: Buffer): void;
  onStatus(code: number, details: string): void;
}

export interface Channel {
  start(transfer: Transfer): { cancel(): void };
  close(): void;
}

interface Active {
  readonly transfer: Transfer;
  served: ServedCall | undefined;
}

const pingEveryMs = 10_000;
const pingTimeoutMs = 5_000;
const firstBackoffMs = 100;
const longestBackoffMs = 1_000;
/** A connection that nobody answers is asked for again, as TCP does. */
const synMs = [1_000, 3_000, 7_000, 15_000, 31_000];

type Net = { open(server: number, opened: () => void, refused: () => void): GrpcConnection };

const shared = new WeakMap<object, Map<string, Subchannel>>();

/** A channel to `host:port`. Those of one process share a connection, unless gRPC keeps them apart. */
export function openChannel(environment: Environment, address: string): Channel {
  const known = shared.get(environment.net) ?? new Map<string, Subchannel>();
  shared.set(environment.net, known);
  const isShared = environment.machine.random.fork('grpc').chance(0.7);
  const subchannel = (isShared ? known.get(address) : undefined) ?? new Subchannel(environment, address);
  known.set(address, subchannel);
  subchannel.users += 1;
  let isClosed = false;
  return {
    start(transfer) {
      if (!isClosed) return subchannel.start(transfer);
      transfer.onStatus(status.unavailable, 'Channel closed before call started');
      return { cancel() {} };
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      subchannel.users -= 1;
      subchannel.rest();
      if (subchannel.users === 0 && known.get(address) === subchannel) known.delete(address);
    },
  };
}

/** The connection to one address, as grpc-js keeps it: made when there is a call, and again after it broke. */
class Subchannel {
  users = 0;
  readonly #environment: Environment;
  readonly #server: number;
  readonly #address: string;
  #state: 'idle' | 'connecting' | 'ready' | 'failed' = 'idle';
  #connection: GrpcConnection | undefined;
  #queue = new Set<Transfer>();
  #active = new Set<Active>();
  #backoffMs = firstBackoffMs;
  #timer: Timer | undefined;
  #ping: Timer | undefined;

  constructor(environment: Environment, address: string) {
    this.#environment = environment;
    this.#address = address;
    this.#server = Number(address.slice(address.lastIndexOf(':') + 1)) - firstPort;
  }

  start(transfer: Transfer): { cancel(): void } {
    if (this.#state === 'failed') this.#unavailable(transfer);
    else if (this.#state === 'ready') this.#transmit(transfer);
    else {
      this.#queue.add(transfer);
      if (this.#state === 'idle') {
        this.#state = 'connecting';
        this.#connect(0);
      }
    }
    return { cancel: () => this.#cancel(transfer) };
  }

  /** Nobody uses it: the connection goes once its calls have ended. */
  rest(): void {
    if (this.users > 0 || this.#active.size > 0) return;
    this.#clear();
    this.#connection?.close('client');
    this.#connection = undefined;
    this.#state = 'idle';
    const left = [...this.#queue];
    this.#queue.clear();
    for (const transfer of left) transfer.onStatus(status.unavailable, 'Channel closed before call started');
  }

  #later(ms: number, run: () => void): Timer {
    const { machine } = this.#environment;
    const timer = machine.setTimeout(run, ms);
    machine.discount(timer);
    return timer;
  }

  #clear(): void {
    this.#environment.machine.clear(this.#timer);
    this.#environment.machine.clear(this.#ping);
    this.#ping = undefined;
  }

  #connect(attempt: number): void {
    const before = this.#connection;
    this.#connection = undefined;
    before?.close('client');
    const refused = (): void => {
      if (this.#connection === connection) this.#failed();
    };
    const opened = (): void => {
      if (this.#connection !== connection) return;
      this.#clear();
      this.#state = 'ready';
      this.#backoffMs = firstBackoffMs;
      const queue = [...this.#queue];
      this.#queue.clear();
      for (const transfer of queue) this.#transmit(transfer);
      this.rest();
    };
    const connection = (this.#environment.net as Net).open(this.#server, opened, refused);
    this.#connection = connection;
    connection.onEnd('client', () => {
      if (this.#connection !== connection) return;
      if (this.#state === 'ready') this.#dropped();
      else this.#failed();
    });
    const againMs = synMs[attempt];
    if (againMs !== undefined) this.#timer = this.#later(againMs, () => this.#connect(attempt + 1));
  }

  #failed(): void {
    this.#clear();
    this.#connection = undefined;
    this.#state = 'failed';
    const queue = [...this.#queue];
    this.#queue.clear();
    for (const transfer of queue) this.#unavailable(transfer);
    const backoffMs = this.#backoffMs * (0.8 + this.#environment.machine.random.next() * 0.4);
    this.#backoffMs = Math.min(this.#backoffMs * 1.6, longestBackoffMs);
    this.#timer = this.#later(backoffMs, () => {
      if (this.users > 0) this.#connect(0);
      else this.#state = 'idle';
    });
  }

  #unavailable(transfer: Transfer): void {
    const error = `Error: connect ECONNREFUSED ${this.#address}`;
    // Never while `start` runs.
    this.#environment.machine.setImmediate(() =>
      transfer.onStatus(status.unavailable, `No connection established. Last error: ${error}. Resolution note: `),
    );
  }

  /** All its calls fail, and nobody knows what became of them. The next call makes another one. */
  #dropped(): void {
    this.#clear();
    this.#connection = undefined;
    this.#state = 'idle';
    const active = [...this.#active];
    this.#active.clear();
    for (const { transfer } of active) transfer.onStatus(status.unavailable, 'Connection dropped');
  }

  #transmit(transfer: Transfer): void {
    const connection = this.#connection!;
    const call: Active = { transfer, served: undefined };
    this.#active.add(call);
    this.#startPings();
    const isActive = (): boolean => this.#active.has(call);
    const reply = {
      message: (bytes: Buffer): void => {
        if (isActive()) transfer.onMessage(bytes);
      },
      status: (code: number, details: string): void => {
        if (!isActive()) return;
        this.#active.delete(call);
        transfer.onStatus(code, details);
        this.rest();
      },
    };
    transfer.begin((run) =>
      connection.send('there', () => {
        call.served ??= connection.serve!(transfer.path, transfer.token, reply);
        run(call.served);
      }),
    );
  }

  #cancel(transfer: Transfer): void {
    this.#queue.delete(transfer);
    const call = [...this.#active].find((one) => one.transfer === transfer);
    if (call === undefined) return;
    this.#active.delete(call);
    this.#connection?.send('there', () => call.served?.cancel());
    this.rest();
  }

  #startPings(): void {
    this.#ping ??= this.#later(pingEveryMs, () => {
      this.#ping = undefined;
      const connection = this.#connection;
      if (this.#state !== 'ready' || this.#active.size === 0 || connection === undefined) return;
      const timeout = this.#later(pingTimeoutMs, () => {
        if (this.#connection !== connection) return;
        connection.close('client');
        this.#dropped();
      });
      connection.send('there', () =>
        connection.send('back', () => {
          this.#environment.machine.clear(timeout);
          if (this.#connection === connection) this.#startPings();
        }),
      );
    });
  }
}
