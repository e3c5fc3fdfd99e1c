import { Duplex } from 'node:stream';
import type { Environment } from '../engine/environment.ts';
import { type MethodDefinition, services } from '../servers/etcd/protocol.ts';
import {
  type CallOptions,
  type CallTerms,
  type InterceptedCall,
  Metadata,
  openCall,
  type Status,
} from './etcd-call.ts';
import { openChannel, status } from './etcd-channel.ts';

/** `@grpc/proto-loader` for etcd3, which reads only the file of etcd's API. */
export const protoLoader: object = { loadSync: () => services };

const statusNames: Readonly<Record<number, string>> = {
  1: 'CANCELLED',
  3: 'INVALID_ARGUMENT',
  4: 'DEADLINE_EXCEEDED',
  5: 'NOT_FOUND',
  7: 'PERMISSION_DENIED',
  8: 'RESOURCE_EXHAUSTED',
  9: 'FAILED_PRECONDITION',
  11: 'OUT_OF_RANGE',
  14: 'UNAVAILABLE',
  16: 'UNAUTHENTICATED',
};

const errorOf = ({ code, details, metadata }: Status): Error =>
  Object.assign(new Error(`${code} ${statusNames[code]}: ${details}`), { code, details, metadata });

/** A call with streams both ways, as the application sees it. */
class DuplexCall extends Duplex {
  readonly #call: InterceptedCall;

  constructor(call: InterceptedCall, metadata: Metadata) {
    super({ objectMode: true });
    this.#call = call;
    call.start(metadata, {
      onReceiveMessage: (message) => void this.push(message),
      onReceiveStatus: (ended) => {
        this.push(null);
        if (ended.code !== status.ok) this.emit('error', errorOf(ended));
        this.emit('status', ended);
      },
    });
  }

  cancel(): void {
    this.#call.cancelWithStatus(status.cancelled, 'Cancelled on client');
  }

  override _read(): void {
    this.#call.startRead();
  }

  override _write(message: object, _encoding: string, done: () => void): void {
    this.#call.sendMessageWithContext({}, message);
    done();
  }

  override _final(done: () => void): void {
    this.#call.halfClose();
    done();
  }
}

function unary(
  terms: CallTerms,
  message: object,
  metadata: Metadata,
  options: CallOptions,
  done: (error: Error | null, answer?: object) => void,
): void {
  const call = openCall(terms, options);
  let answer: object | undefined;
  call.start(metadata, {
    onReceiveMessage(received) {
      answer = received;
    },
    onReceiveStatus(ended) {
      if (ended.code === status.ok) done(null, answer);
      else done(errorOf(ended));
    },
  });
  call.sendMessage(message);
  call.halfClose();
}

/** The class of a service's clients: one method for each of the service's. */
function clientClass(environment: Environment, methods: Readonly<Record<string, MethodDefinition>>): object {
  return function Client(this: Record<string, unknown>, address: string): void {
    const channel = openChannel(environment, address);
    for (const method of Object.values(methods)) {
      const terms = { environment, channel, method };
      this[method.originalName] = method.requestStream
        ? (metadata: Metadata, options: CallOptions = {}) => new DuplexCall(openCall(terms, options), metadata)
        : (message: object, metadata: Metadata, options: CallOptions, done: () => void) =>
            unary(terms, message, metadata, options, done);
    }
    this.close = () => channel.close();
    this.getChannel = () => ({ getConnectivityState: () => 0 });
  };
}

/** `@grpc/grpc-js` as far as etcd3 uses it, over the simulated network. */
export function createGrpc(environment: Environment): object {
  const credentials = { createInsecure: () => ({}) };
  const loadPackageDefinition = (all: typeof services): object => {
    const clients = Object.entries(all)
      .filter(([name, service]) => name.startsWith('etcdserverpb.') && !('format' in service))
      .map(([name, methods]) => [name.slice('etcdserverpb.'.length), clientClass(environment, methods)]);
    return { etcdserverpb: Object.fromEntries(clients) };
  };
  return { Metadata, credentials, loadPackageDefinition, connectivityState: { CONNECTING: 1 } };
}
