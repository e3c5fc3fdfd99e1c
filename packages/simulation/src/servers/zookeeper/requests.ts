import { createReader, type Reader } from './jute.ts';
import type { Acl } from './tree.ts';

/** What a client asks for, as far as the adapter uses it. */
export type Operation =
  | {
      readonly kind: 'create';
      readonly path: string;
      readonly data: Buffer | null;
      readonly acl: readonly Acl[];
      readonly mode: number;
      /** The answer carries the stat of the new node. */
      readonly withStat: boolean;
    }
  | { readonly kind: 'delete'; readonly path: string; readonly version: number }
  | { readonly kind: 'setData'; readonly path: string; readonly data: Buffer | null; readonly version: number }
  | { readonly kind: 'exists'; readonly path: string }
  | { readonly kind: 'getData' | 'getChildren'; readonly path: string; readonly watch: boolean }
  | { readonly kind: 'check'; readonly path: string; readonly version: number }
  | { readonly kind: 'multi'; readonly operations: readonly Operation[] }
  | { readonly kind: 'ping' | 'closeSession' }
  | { readonly kind: 'auth'; readonly scheme: string; readonly credentials: Buffer };

export interface Request {
  readonly xid: number;
  readonly operation: Operation;
}

/** Kinds of nodes, by the protocol's numbers. */
export const modes = { persistent: 0, ephemeralSequential: 3, container: 4 } as const;

const opcodes = {
  create: 1,
  delete: 2,
  exists: 3,
  getData: 4,
  setData: 5,
  ping: 11,
  getChildren: 12,
  check: 13,
  multi: 14,
  createWithStat: 15,
  createContainer: 19,
  auth: 100,
  closeSession: -11,
} as const;

/** What a client sends first. */
export interface Handshake {
  readonly lastZxidSeen: number;
  readonly timeoutMs: number;
  readonly session: bigint;
  readonly password: Buffer;
}

export function readHandshake(frame: Buffer): Handshake {
  const reader = createReader(frame);
  reader.int();
  const lastZxidSeen = Number(reader.long());
  const timeoutMs = reader.int();
  return { lastZxidSeen, timeoutMs, session: reader.long(), password: reader.bytes() ?? Buffer.alloc(16) };
}

/** @throws Error for a request that the adapter does not use, and the model does not know. */
export function readRequest(frame: Buffer): Request {
  const reader = createReader(frame);
  const xid = reader.int();
  const operation = readOperation(reader.int(), reader);
  if (reader.left > 0)
    throw new Error(`The model of ZooKeeper read ${reader.left} bytes too few of a ${operation.kind}.`);
  return { xid, operation };
}

function readOperation(type: number, reader: Reader): Operation {
  switch (type) {
    case opcodes.create:
    case opcodes.createContainer:
    case opcodes.createWithStat:
      return readCreate(type, reader);
    case opcodes.delete:
      return { kind: 'delete', path: reader.text(), version: reader.int() };
    case opcodes.setData:
      return { kind: 'setData', path: reader.text(), data: reader.bytes(), version: reader.int() };
    case opcodes.exists: {
      const path = reader.text();
      if (reader.flag()) break;
      return { kind: 'exists', path };
    }
    case opcodes.getData:
    case opcodes.getChildren: {
      const kind = type === opcodes.getData ? 'getData' : 'getChildren';
      return { kind, path: reader.text(), watch: reader.flag() };
    }
    case opcodes.multi:
      return readTransaction(reader);
    case opcodes.ping:
      return { kind: 'ping' };
    case opcodes.closeSession:
      return { kind: 'closeSession' };
    case opcodes.auth: {
      reader.int();
      return { kind: 'auth', scheme: reader.text(), credentials: reader.bytes() ?? Buffer.alloc(0) };
    }
  }
  throw new Error(`The model of ZooKeeper does not know the request of type ${type}.`);
}

function readCreate(type: number, reader: Reader): Operation {
  const path = reader.text();
  const data = reader.bytes();
  const acl = reader.list((): Acl => ({ permissions: reader.int(), scheme: reader.text(), id: reader.text() }));
  const mode = reader.int();
  if (!(Object.values(modes) as number[]).includes(mode))
    throw new Error(`The model of ZooKeeper does not know nodes of the kind ${mode}.`);
  return { kind: 'create', path, data, acl, mode, withStat: type !== opcodes.create };
}

const inTransactions: readonly number[] = [opcodes.create, opcodes.delete, opcodes.setData, opcodes.check];

/** Several operations, all or none. */
function readTransaction(reader: Reader): Operation {
  const operations: Operation[] = [];
  for (;;) {
    const type = reader.int();
    const isDone = reader.flag();
    reader.int();
    if (isDone) return { kind: 'multi', operations };
    if (!inTransactions.includes(type))
      throw new Error(`The model of ZooKeeper does not know transactions with requests of type ${type}.`);
    operations.push(
      type === opcodes.check
        ? { kind: 'check', path: reader.text(), version: reader.int() }
        : readOperation(type, reader),
    );
  }
}

/** The number of an operation, in the answer to a transaction. */
export const typeOf = ({ kind }: Operation): number => opcodes[kind as keyof typeof opcodes];
