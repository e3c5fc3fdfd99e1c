/** What the model takes and answers: the messages of etcd's API as @grpc/proto-loader decodes them, defaults filled in. */
export interface KeyValue {
  readonly key: Buffer;
  readonly create_revision: string;
  readonly mod_revision: string;
  readonly version: string;
  readonly value: Buffer;
  readonly lease: string;
}

export interface RangeRequest {
  readonly key: Buffer;
  readonly range_end: Buffer;
  readonly limit: string;
  readonly revision: string;
  readonly sort_order: 'None' | 'Ascend' | 'Descend';
  readonly sort_target: 'Key' | 'Version' | 'Create' | 'Mod' | 'Value';
  readonly serializable: boolean;
  readonly keys_only: boolean;
  readonly count_only: boolean;
  readonly min_mod_revision: string;
  readonly max_mod_revision: string;
  readonly min_create_revision: string;
  readonly max_create_revision: string;
}

export interface PutRequest {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly lease: string;
  readonly prev_kv: boolean;
  readonly ignore_value: boolean;
  readonly ignore_lease: boolean;
}

export interface DeleteRequest {
  readonly key: Buffer;
  readonly range_end: Buffer;
  readonly prev_kv: boolean;
}

export interface Compare {
  readonly result: 'Equal' | 'Greater' | 'Less' | 'NotEqual';
  readonly target: 'Version' | 'Create' | 'Mod' | 'Value' | 'Lease';
  readonly key: Buffer;
  readonly range_end: Buffer;
  readonly version?: string;
  readonly create_revision?: string;
  readonly mod_revision?: string;
  readonly value?: Buffer;
}

export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}

export interface RequestOp {
  readonly request_range?: RangeRequest;
  readonly request_put?: PutRequest;
  readonly request_delete_range?: DeleteRequest;
  readonly request_txn?: TxnRequest;
}

export interface Header {
  readonly revision: string;
}

export interface RangeResponse {
  readonly header: Header;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  readonly count: string;
}

export interface TxnResponse {
  readonly header: Header | null;
  readonly succeeded: boolean;
  readonly responses: readonly object[];
}

export interface WatchCreate {
  readonly key: Buffer;
  readonly range_end: Buffer;
  readonly start_revision: string;
  readonly progress_notify: boolean;
  readonly filters: readonly ('Noput' | 'Nodelete')[];
  readonly prev_kv: boolean;
  readonly watch_id: string;
  readonly fragment: boolean;
}

export interface WatchEvent {
  readonly type: 'Put' | 'Delete';
  readonly kv: KeyValue;
}

export interface WatchResponse {
  readonly header: Header;
  readonly watch_id: string;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compact_revision: string;
  readonly cancel_reason: string;
  readonly events: readonly WatchEvent[];
}

/** What etcd refuses, with the code and the words of its answer. */
export class Refusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export const invalidArgument = 3;
const notFound = 5;
export const permissionDenied = 7;
export const resourceExhausted = 8;
export const failedPrecondition = 9;
export const outOfRange = 11;
export const unavailable = 14;
export const unauthenticated = 16;

export const leaseNotFound = (): Refusal => new Refusal(notFound, 'etcdserver: requested lease not found');

/** Something that the adapter does not use, so it is not modelled. */
export function notModelled(what: string): never {
  throw new Error(`The model of etcd does not know ${what}.`);
}
