import type { LockError } from '@holdfast/lock-core';
import type { Etcd3 } from 'etcd3';
import {
  type Authentication,
  type CallOptions,
  type Credentials,
  clientAuthentication,
  passwordAuthentication,
  type Ticket,
} from './authentication.ts';
import { createCallTimeout } from './call-timeout.ts';
import {
  closed,
  isHttpStatus,
  isMemberFailure,
  isStaleToken,
  MemberFailure,
  readable,
  wasNeverSent,
} from './errors.ts';

/** A member of the cluster with what is needed to open streams. */
export interface Member {
  readonly client: Etcd3;
  readonly options: CallOptions;
  /** Called when the stream was refused: the next one gets another token. */
  discardToken(): void;
}

/** The members of the cluster; one of them is used until it fails. */
export interface Endpoints {
  /** The member in use. */
  readonly current: Etcd3;
  /** Refuses all calls from now on. */
  readonly closed: LockError | undefined;
  /**
   * Makes one call with a deadline. A failed member is not used again before the others were. A call that etcd refused because
   * of a stale token is repeated once with a new one: etcd did nothing of it.
   */
  call<T>(run: (client: Etcd3, options: CallOptions) => Promise<T>): Promise<T>;
  /** The current member, to open a stream on. */
  connect(): Promise<Member>;
  /** Uses the next member from now on, unless that has already happened. */
  moveOn(from: Etcd3): void;
  /** Subscribes to changes of the member in use. */
  onMove(listener: () => void): void;
  /** Closes within the time-out of one call, whatever the servers do. */
  close(): Promise<void>;
}

/** How to use the clients. */
export interface EndpointOptions {
  readonly credentials?: Credentials | undefined;
  /** Ends what the closed clients leave behind. */
  readonly onClosed?: (() => void) | undefined;
  /** Finds out what listens at the address of a client that cannot connect. */
  readonly diagnose?: ((client: Etcd3, error: unknown) => Promise<LockError | undefined>) | undefined;
}

const graceMs = 500;

/**
 * Stays with one member of the cluster while it answers. Its unary calls show whether its watch can be trusted: a watch reports nothing
 * if the member is frozen or cut off from the others.
 */
export function createEndpoints(
  clients: readonly Etcd3[],
  callTimeoutMs: number,
  owned: boolean,
  { credentials, diagnose, onClosed }: EndpointOptions = {},
): Endpoints {
  // gRPC compares it with the `Date` of that moment, which the fake timers of a test may have replaced (H129).
  const deadline = (): number => Date.now() + callTimeoutMs + graceMs;
  const authentications: readonly Authentication[] = clients.map((client) =>
    credentials === undefined ? clientAuthentication(client) : passwordAuthentication(client, credentials, deadline),
  );
  let index = 0;
  let refusal: LockError | undefined;
  const listeners: (() => void)[] = [];
  const timeout = createCallTimeout(callTimeoutMs);
  /** The members that turned out to be unusable since the last answer. */
  const noEtcd = new Set<Etcd3>();
  const haveAnswered = new Set<Etcd3>();

  /**
   * A server of another kind may look like a lost connection. What it is decides, unless another member may be an etcd. Where an
   * etcd has answered once, whatever else answers is there for a while only, such as a load balancer while etcd is down.
   */
  async function explain(client: Etcd3, error: unknown): Promise<never> {
    if (haveAnswered.has(client) || !(wasNeverSent(error) || isHttpStatus(error))) throw error;
    const refused = await diagnose?.(client, error);
    if (refused === undefined) throw error;
    noEtcd.add(client);
    throw noEtcd.size === clients.length ? refused : new MemberFailure(refused);
  }

  function answered<T>(client: Etcd3, result: T): T {
    noEtcd.clear();
    haveAnswered.add(client);
    return result;
  }

  const endpoints: Endpoints = {
    get current() {
      return clients[index]!;
    },
    get closed() {
      return refusal;
    },
    call(run) {
      if (refusal !== undefined) return Promise.reject(refusal);
      const client = clients[index]!;
      const authentication = authentications[index]!;
      return timeout.within(
        () => {
          const made = authenticated(client, authentication, deadline(), run);
          return made.then(
            (result) => answered(client, result),
            (error: unknown) => explain(client, error),
          );
        },
        (error) => {
          if (isMemberFailure(error)) endpoints.moveOn(client);
          return readable(error);
        },
      );
    },
    async connect() {
      if (refusal !== undefined) throw refusal;
      const client = clients[index]!;
      const authentication = authentications[index]!;
      const ticket = await authentication.ticket();
      return { client, options: ticket.options, discardToken: () => void authentication.discard(ticket) };
    },
    moveOn(from) {
      if (clients.length === 1 || from !== clients[index] || refusal !== undefined) return;
      index = (index + 1) % clients.length;
      for (const listener of listeners) listener();
    },
    onMove(listener) {
      listeners.push(listener);
    },
    async close() {
      refusal ??= closed();
      await timeout.allDone();
      if (!owned) return;
      for (const client of clients) client.close();
      onClosed?.();
    },
  };
  return endpoints;
}

/** Repeats a call once with a new token if etcd refused the token. */
async function authenticated<T>(
  client: Etcd3,
  authentication: Authentication,
  deadline: number,
  run: (client: Etcd3, options: CallOptions) => Promise<T>,
): Promise<T> {
  const issued = authentication.ticket(deadline);
  const ticket = isPromise(issued) ? await issued : issued;
  try {
    return await run(client, ticket.options);
  } catch (error) {
    if (!isStaleToken(error) || !authentication.discard(ticket)) throw error;
  }
  return run(client, (await authentication.ticket(deadline)).options);
}

function isPromise(issued: Ticket | Promise<Ticket>): issued is Promise<Ticket> {
  return 'then' in issued;
}
