import type { Connection } from '../../engine/network.ts';
import type { World } from '../../engine/world.ts';
import type { Cluster } from './cluster.ts';
import type { Member } from './members.ts';
import { notModelled, Refusal, type WatchCreate } from './messages.ts';
import {
  type CallReply,
  type GrpcConnection,
  type MethodDefinition,
  methodsByPath,
  type ServedCall,
} from './protocol.ts';
import { answer, keepAlive, needsNoLeader } from './requests.ts';

interface Serving {
  readonly world: World;
  readonly cluster: Cluster;
  readonly member: Member;
  readonly client: number;
  readonly method: MethodDefinition;
  readonly token: string | undefined;
  readonly reply: CallReply;
}

/** Serves the gRPC calls of the connections to one member. */
export function acceptCalls(world: World, cluster: Cluster, member: Member): (connection: Connection) => void {
  return (connection) => {
    const open = new Set<ServedCall>();
    connection.onEnd('server', () => {
      for (const call of open) call.cancel();
      open.clear();
      connection.close('server');
    });
    (connection as GrpcConnection).serve = (path, token, caller) => {
      const method = methodsByPath.get(path) ?? notModelled(path);
      let isOver = false;
      const send = (run: () => void): void => {
        if (!isOver && connection.isOpen) connection.send('back', run);
      };
      const reply: CallReply = {
        message: (bytes) => send(() => caller.message(bytes)),
        status(code, details) {
          send(() => caller.status(code, details));
          isOver = true;
          open.delete(call);
        },
      };
      const call = served({ world, cluster, member, client: connection.client, method, token, reply });
      open.add(call);
      return call;
    };
  };
}

function served(serving: Serving): ServedCall {
  const { originalName } = serving.method;
  if (originalName === 'watch') return watch(serving);
  if (originalName === 'leaseKeepAlive') return keepAlives(serving);
  return unary(serving);
}

function refuse({ reply }: Serving, error: unknown): void {
  if (!(error instanceof Refusal)) throw error;
  reply.status(error.code, error.message);
}

function unary(serving: Serving): ServedCall {
  const { world, cluster, member, client, method, token, reply } = serving;
  const { state } = cluster;
  const name = method.path.slice(method.path.lastIndexOf('/') + 1);
  return {
    message(bytes) {
      const call = { method: name, request: method.requestDeserialize(bytes), token };
      const run = (): void => {
        try {
          cluster.onRequest(client, call);
          const message = method.responseSerialize(answer(state, call, member.applied));
          cluster.watchLeases();
          // The member answers once it has applied it too.
          const at = needsNoLeader(call) ? world.now : Math.max(world.now, member.appliedAt);
          world.at(at, () =>
            member.machine.receive(() => {
              reply.message(message);
              reply.status(0, '');
            }),
          );
        } catch (error) {
          refuse(serving, error);
        }
      };
      if (needsNoLeader(call)) run();
      else cluster.propose(member, run, (refusal) => refuse(serving, refusal));
    },
    halfClose() {},
    cancel() {},
  };
}

function keepAlives(serving: Serving): ServedCall {
  const { cluster, member, method, reply } = serving;
  let underway = 0;
  let isHalfClosed = false;
  const finish = (): void => {
    if (isHalfClosed && underway === 0) reply.status(0, '');
  };
  const look = (id: string): void => {
    const message = keepAlive(cluster.state, id);
    if (message === undefined) return cluster.afterExpiry(() => look(id));
    underway -= 1;
    member.machine.receive(() => {
      reply.message(method.responseSerialize(message));
      finish();
    });
  };
  return {
    message(bytes) {
      underway += 1;
      const { ID } = method.requestDeserialize(bytes) as { ID: string };
      cluster.propose(
        member,
        () => look(ID),
        (refusal) => refuse(serving, refusal),
      );
    },
    halfClose() {
      isHalfClosed = true;
      finish();
    },
    cancel() {},
  };
}

interface WatchRequest {
  readonly create_request?: WatchCreate;
  readonly cancel_request?: { readonly watch_id: string };
}

function watch({ cluster, member, method, token, reply }: Serving): ServedCall {
  const refusal = ({ key, range_end }: WatchCreate): string | undefined => {
    try {
      cluster.state.users.checkRange(token, key, range_end);
      return undefined;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      // Of a token that has expired too.
      return 'etcdserver: permission denied';
    }
  };
  const stream = member.watches.open((response) => reply.message(method.responseSerialize(response)), refusal);
  return {
    message(bytes) {
      const { create_request: create, cancel_request: cancel } = method.requestDeserialize(bytes) as WatchRequest;
      if (create) stream.create(create);
      else if (cancel) stream.cancel(cancel.watch_id);
      else notModelled('this request of a watch');
    },
    halfClose() {
      stream.close();
      reply.status(0, '');
    },
    cancel: () => stream.close(),
  };
}
