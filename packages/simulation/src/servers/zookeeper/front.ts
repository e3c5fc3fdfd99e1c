import type { Machine } from '../../engine/machine.ts';
import type { Connection } from '../../engine/network.ts';
import { type ByteConnection, sendBytes } from '../../engine/socket.ts';
import { type Identity, identify, permissions, permits } from './access.ts';
import {
  encodeAnswer,
  encodeEvent,
  encodeHandshake,
  errors,
  readBody,
  transactionBody,
  writeBody,
  xids,
} from './answers.ts';
import { createFrameParser } from './jute.ts';
import type { Write } from './prepare.ts';
import { type Operation, type Request, readHandshake, readRequest } from './requests.ts';
import type { Acl, EventType, Transaction, Tree } from './tree.ts';

/** What a server's side towards its clients needs from the ensemble. */
export interface FrontTerms {
  readonly index: number;
  readonly machine: Machine;
  readonly leastTimeoutMs: number;
  readonly mostTimeoutMs: number;
  /** The data as this server knows them now. */
  tree(): Tree;
  /** Whether it is part of a working ensemble. */
  isServing(): boolean;
  nextId(): number;
  submit(write: Write): void;
  /** Asks the leader whether there is such a session; from then on it belongs to this server. */
  revalidate(session: bigint, done: (isValid: boolean) => void): void;
  /** A client of the session was heard of. */
  touch(session: bigint): void;
  /** Why a read of the session is refused; only the leader knows that. */
  refusal(session: bigint): 'expired' | 'moved' | undefined;
}

/** The side of a server that its clients see. */
export interface Front {
  readonly peers: ReadonlySet<Peer>;
  accept(connection: Connection): void;
  /** A transaction has taken effect here. */
  applied(transaction: Transaction): void;
  fire(type: EventType, path: string, acl: readonly Acl[]): void;
  /** Ends all connections, as a server does that has lost its leader. */
  stop(): void;
}

/** A client, as the server sees it. */
export interface Peer {
  readonly connection: Connection;
  session: bigint | undefined;
  timeoutMs: number;
  readonly identities: Identity[];
  /** Requests in the order in which they are answered. */
  readonly queue: Pending[];
  readonly dataWatches: Set<string>;
  readonly childWatches: Set<string>;
  phase: 'new' | 'handshake' | 'ready';
  /** What arrived before the answer to the handshake. */
  readonly early: Buffer[];
}

interface Pending {
  readonly request: Request;
  /** Whether the leader has to be asked. */
  readonly isWrite: boolean;
  outcome: Transaction | undefined;
}

const isWrite = ({ kind }: Operation): boolean =>
  ['create', 'delete', 'setData', 'multi', 'closeSession'].includes(kind);

const noPassword = Buffer.alloc(16);

/** Who knows the ID of a session and this goes on with the session. */
function passwordOf(session: bigint): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigInt64BE(session ^ 0x3c5a96e1d27b48f0n);
  bytes.writeBigInt64BE(session ^ 0x71f3b0c9286ed45an, 8);
  return bytes;
}

export function createFront(terms: FrontTerms): Front {
  const { index, machine } = terms;
  const peers = new Set<Peer>();
  const waiting = new Map<number, (outcome: Transaction) => void>();

  const send = ({ connection }: Peer, bytes: Buffer): void => {
    if (connection.isOpen) sendBytes(connection, bytes);
  };
  const end = (peer: Peer): void => {
    if (!peers.delete(peer)) return;
    peer.connection.close('server');
  };

  function submit(
    peer: Peer,
    session: bigint,
    operation: Write['operation'],
    done: (outcome: Transaction) => void,
  ): void {
    const id = terms.nextId();
    waiting.set(id, done);
    terms.submit({ id, server: index, session, identities: [...peer.identities], operation });
  }

  function shake(peer: Peer, frame: Buffer): void {
    if (!terms.isServing()) return end(peer);
    const { lastZxidSeen, timeoutMs, session, password } = readHandshake(frame);
    // It has seen what this server does not have yet.
    if (lastZxidSeen > terms.tree().zxid) return end(peer);
    peer.phase = 'handshake';
    const { leastTimeoutMs, mostTimeoutMs } = terms;
    peer.timeoutMs = Math.min(mostTimeoutMs, Math.max(leastTimeoutMs, timeoutMs));
    if (session === 0n) {
      const created = newSession(machine, index);
      return submit(peer, created, { kind: 'createSession', timeoutMs: peer.timeoutMs }, () => open(peer, created));
    }
    for (const other of [...peers]) if (other.session === session) end(other);
    if (!password.equals(passwordOf(session))) return open(peer, undefined);
    terms.revalidate(session, (isValid) => open(peer, isValid ? session : undefined));
  }

  function open(peer: Peer, session: bigint | undefined): void {
    if (!peers.has(peer)) return;
    if (session === undefined) {
      send(peer, encodeHandshake(0, 0n, noPassword));
      return end(peer);
    }
    peer.session = session;
    peer.phase = 'ready';
    send(peer, encodeHandshake(peer.timeoutMs, session, passwordOf(session)));
    for (const frame of peer.early.splice(0)) serve(peer, frame);
  }

  function serve(peer: Peer, frame: Buffer): void {
    if (!peers.has(peer)) return;
    if (peer.phase === 'new') return shake(peer, frame);
    if (peer.phase === 'handshake') return void peer.early.push(frame);
    const request = readRequest(frame);
    const { operation } = request;
    if (operation.kind === 'auth') return authenticate(peer, operation);
    terms.touch(peer.session!);
    const pending: Pending = { request, isWrite: isWrite(operation), outcome: undefined };
    peer.queue.push(pending);
    if (pending.isWrite) {
      submit(peer, peer.session!, operation, (outcome) => {
        pending.outcome = outcome;
        drain(peer);
      });
    } else drain(peer);
  }

  function authenticate(peer: Peer, { scheme, credentials }: Operation & { kind: 'auth' }): void {
    const identity = identify(scheme, credentials);
    const error = identity === undefined ? errors.authFailed : errors.none;
    send(peer, encodeAnswer(xids.auth, 0, error));
    if (identity === undefined) end(peer);
    else peer.identities.push(identity);
  }

  /** A read waits for the writes before it: it is carried out when they have taken effect here. */
  function drain(peer: Peer): void {
    while (peers.has(peer)) {
      const [first] = peer.queue;
      if (first === undefined || (first.isWrite && first.outcome === undefined)) return;
      peer.queue.shift();
      if (first.outcome !== undefined) answerWrite(peer, first.request, first.outcome);
      else answerRead(peer, first.request);
    }
  }

  function answerWrite(peer: Peer, { xid, operation }: Request, outcome: Transaction): void {
    const { error, change } = outcome;
    if (error === errors.sessionMoved) return end(peer);
    const { zxid, nodes, changed } = terms.tree();
    if (operation.kind === 'multi' && error !== errors.sessionExpired) {
      return send(
        peer,
        encodeAnswer(xid, zxid, errors.none, ...transactionBody(operation.operations, outcome, changed)),
      );
    }
    const path = change.kind === 'create' || change.kind === 'setData' ? change.path : '';
    const body = error === errors.none ? writeBody(operation, path, nodes.get(path)) : [];
    send(peer, encodeAnswer(xid, zxid, error, ...body));
    if (operation.kind === 'closeSession') end(peer);
  }

  function answerRead(peer: Peer, { xid, operation }: Request): void {
    const { zxid, nodes } = terms.tree();
    const refusal = terms.refusal(peer.session!);
    if (refusal === 'moved') return end(peer);
    if (refusal === 'expired') return send(peer, encodeAnswer(xid, zxid, errors.sessionExpired));
    if (operation.kind === 'ping') return send(peer, encodeAnswer(xids.ping, zxid, errors.none));
    if (operation.kind !== 'exists' && operation.kind !== 'getData' && operation.kind !== 'getChildren') return;
    const node = nodes.get(operation.path);
    if (node === undefined) return send(peer, encodeAnswer(xid, zxid, errors.noNode));
    if (operation.kind !== 'exists') {
      if (!permits(node.acl, permissions.read, peer.identities))
        return send(peer, encodeAnswer(xid, zxid, errors.noAuth));
      const watches = operation.kind === 'getData' ? peer.dataWatches : peer.childWatches;
      if (operation.watch) watches.add(operation.path);
    }
    send(peer, encodeAnswer(xid, zxid, errors.none, ...readBody(operation.kind, node)));
  }

  return {
    peers,
    accept(connection) {
      const peer: Peer = {
        connection,
        session: undefined,
        timeoutMs: 0,
        identities: [],
        queue: [],
        dataWatches: new Set(),
        childWatches: new Set(),
        phase: 'new',
        early: [],
      };
      peers.add(peer);
      connection.onEnd('server', () => end(peer));
      const parse = createFrameParser((frame) => serve(peer, frame));
      const onData = (chunk: Buffer): void => {
        if (peer.phase !== 'new' || chunk.toString('latin1', 0, 4) !== 'ruok') return parse(chunk);
        send(peer, Buffer.from('imok'));
        end(peer);
      };
      (connection as ByteConnection).bytes = { onData, onEnd() {} };
    },
    applied(transaction) {
      const { request, change } = transaction;
      const done = request === undefined ? undefined : waiting.get(request);
      if (request !== undefined) waiting.delete(request);
      done?.(transaction);
      if (change.kind !== 'closeSession') return;
      for (const peer of [...peers]) if (peer.session === change.session) end(peer);
    },
    fire(type, path, acl) {
      for (const peer of peers) {
        const isTold =
          type === 'children'
            ? peer.childWatches.delete(path)
            : // Both, not only the first: each is over.
              [peer.dataWatches.delete(path), type === 'deleted' && peer.childWatches.delete(path)].includes(true);
        if (isTold && permits(acl, permissions.read, peer.identities)) send(peer, encodeEvent(type, path));
      }
    },
    stop() {
      waiting.clear();
      for (const peer of [...peers]) end(peer);
    },
  };
}

function newSession({ random }: Machine, server: number): bigint {
  const low = BigInt(random.int(1, 2 ** 31 - 1)) * 2n ** 20n + BigInt(random.int(0, 2 ** 20 - 1));
  return BigInt(server + 1) * 2n ** 56n + low;
}
