import { type LockError, systemClock } from '@holdfast/lock-core';
import type { Etcd3 } from 'etcd3';
import { createCallTimeout } from './call-timeout.ts';
import { closed, isMemberFailure, readable } from './errors.ts';

/** What every unary call is given. */
export interface CallOptions {
  /** Wall-clock ms; gRPC gives up the call then and frees what it took. */
  readonly deadline: number;
}

/** The members of the cluster, one of which is asked until it fails. */
export interface Endpoints {
  /** The member that is asked now. */
  readonly current: Etcd3;
  /** Refuses everything from now on. */
  readonly closed: LockError | undefined;
  /** Makes one call with a deadline. A failed member is not asked again before the others were. */
  call<T>(run: (client: Etcd3, options: CallOptions) => Promise<T>): Promise<T>;
  /** Asks the next member from now on, unless that has happened already. */
  moveOn(from: Etcd3): void;
  /** Is told when another member is asked. */
  onMove(listener: () => void): void;
  /** Ends in the time of one call, whatever the servers do. */
  close(): Promise<void>;
}

const graceMs = 500;

/**
 * Keeps to one member of the cluster while it answers: its unary calls show whether its watch can be trusted, which says
 * nothing by itself when the member is cut off from the others or frozen.
 */
export function createEndpoints(clients: readonly Etcd3[], callTimeoutMs: number, owned: boolean): Endpoints {
  let index = 0;
  let refusal: LockError | undefined;
  const listeners: (() => void)[] = [];
  const timeout = createCallTimeout(callTimeoutMs);

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
      const deadline = systemClock.wallNow() + callTimeoutMs + graceMs;
      return timeout.within(
        () => run(client, { deadline }),
        (error) => {
          if (isMemberFailure(error)) endpoints.moveOn(client);
          return readable(error);
        },
      );
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
      if (owned) for (const client of clients) client.close();
    },
  };
  return endpoints;
}
