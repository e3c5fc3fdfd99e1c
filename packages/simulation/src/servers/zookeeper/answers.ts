import { bytes, flag, frame, int, list, long, text } from './jute.ts';
import { type Operation, typeOf } from './requests.ts';
import { type Change, container, type EventType, type Transaction, type ZNode } from './tree.ts';

/** Error codes of the protocol. */
export const errors = {
  none: 0,
  runtimeInconsistency: -2,
  noNode: -101,
  noAuth: -102,
  badVersion: -103,
  noChildrenForEphemerals: -108,
  nodeExists: -110,
  notEmpty: -111,
  sessionExpired: -112,
  invalidAcl: -114,
  authFailed: -115,
  sessionMoved: -118,
} as const;

export const xids = { event: -1, ping: -2, auth: -4 } as const;

const eventTypes: Readonly<Record<EventType, number>> = { created: 1, deleted: 2, changed: 3, children: 4 };
const connected = 3;

/** A watch that fires. */
export const encodeEvent = (type: EventType, path: string): Buffer =>
  frame(int(xids.event), long(-1), int(0), int(eventTypes[type]), int(connected), text(path));

/** The answer to a handshake; a time-out of 0 says that there is no such session. */
export const encodeHandshake = (timeoutMs: number, session: bigint, password: Buffer): Buffer =>
  frame(int(0), int(timeoutMs), long(session), bytes(password));

export const encodeAnswer = (xid: number, zxid: number, error: number, ...body: Buffer[]): Buffer =>
  frame(int(xid), long(zxid), int(error), ...body);

function encodeStat(node: ZNode): Buffer {
  const { czxid, mzxid, ctime, mtime, version, created, data, children, pzxid } = node;
  const ephemeralOwner = node.ephemeralOwner === container ? 0n : node.ephemeralOwner;
  // Counted in changes: each child was created once, and those that are not there any more were deleted.
  const cversion = (2 * created - children.size) | 0;
  return Buffer.concat([
    ...[long(czxid), long(mzxid), long(ctime), long(mtime)],
    ...[int(version), int(cversion), int(0), long(ephemeralOwner)],
    ...[int(data?.length ?? 0), int(children.size), long(pzxid)],
  ]);
}

/** What follows the header in the answer to a write that was carried out. */
export function writeBody(operation: Operation, path: string, node: ZNode | undefined): Buffer[] {
  if (operation.kind === 'setData') return [encodeStat(node!)];
  if (operation.kind === 'create') return operation.withStat ? [text(path), encodeStat(node!)] : [text(path)];
  return [];
}

/** A transaction is answered for each of its operations; `error` says that none of them was carried out. */
export function transactionBody(
  operations: readonly Operation[],
  { change, error, errors: each = [] }: Pick<Transaction, 'change' | 'error' | 'errors'>,
  nodes: readonly (ZNode | undefined)[],
): Buffer[] {
  const changes = change.kind === 'multi' ? change.changes : [];
  const results = operations.flatMap((operation, i): Buffer[] => {
    if (error !== 0) return [int(-1), flag(false), int(each[i]!), int(each[i]!)];
    const done: Change | undefined = changes[i];
    const path = done !== undefined && 'path' in done ? done.path : '';
    return [int(typeOf(operation)), flag(false), int(0), ...writeBody(operation, path, nodes[i])];
  });
  return [...results, int(-1), flag(true), int(-1)];
}

/** What follows the header in the answer to a read. */
export function readBody(kind: 'exists' | 'getData' | 'getChildren', node: ZNode): Buffer[] {
  const stat = encodeStat(node);
  if (kind === 'exists') return [stat];
  if (kind === 'getData') return [bytes(node.data), stat];
  return [list([...node.children].map(text)), stat];
}
