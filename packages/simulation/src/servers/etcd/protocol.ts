import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Connection } from '../../engine/network.ts';

/** One method of a gRPC service, as @grpc/proto-loader describes it. */
export interface MethodDefinition {
  readonly path: string;
  readonly originalName: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  requestSerialize(message: object): Buffer;
  requestDeserialize(bytes: Buffer): object;
  responseSerialize(message: object): Buffer;
  responseDeserialize(bytes: Buffer): object;
}

type Services = Readonly<Record<string, Readonly<Record<string, MethodDefinition>>>>;

const etcd3 = createRequire(import.meta.url).resolve('etcd3');
const loader = createRequire(etcd3)('@grpc/proto-loader') as { loadSync(file: string, options: object): Services };

/** etcd's API, from the file and with the options that etcd3 reads it with. */
export const services: Services = loader.loadSync(join(dirname(etcd3), '../proto/rpc.proto'), {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
});

/** The methods by their path, such as `/etcdserverpb.KV/Txn`. */
export const methodsByPath: ReadonlyMap<string, MethodDefinition> = new Map(
  Object.entries(services)
    .filter(([name]) => name.startsWith('etcdserverpb.'))
    .flatMap(([, methods]) => Object.values(methods))
    .filter(({ path }) => typeof path === 'string')
    .map((method) => [method.path, method]),
);

/** What a server tells the client of one call. */
export interface CallReply {
  message(bytes: Buffer): void;
  status(code: number, details: string): void;
}

/** The server's side of one call. */
export interface ServedCall {
  message(bytes: Buffer): void;
  halfClose(): void;
  cancel(): void;
}

/** A connection that carries gRPC calls; the server's end is attached to it when it is accepted. */
export interface GrpcConnection extends Connection {
  serve?: (path: string, token: string | undefined, reply: CallReply) => ServedCall;
}
