import { type LockError, systemClock } from '@holdfast/lock-core';
import type { Etcd3 } from 'etcd3';
import { closed, isMemberFailure, NoAnswer, readable } from './errors.ts';

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
  const underway = new Set<Promise<unknown>>();

  const endpoints: Endpoints = {
    get current() {
      return clients[index]!;
    },
    get closed() {
      return refusal;
    },
    async call(run) {
      if (refusal !== undefined) throw refusal;
      const client = clients[index]!;
      const answer = within(callTimeoutMs, run(client, { deadline: systemClock.wallNow() + callTimeoutMs + graceMs }));
      underway.add(answer);
      try {
        return await answer;
      } catch (error) {
        if (isMemberFailure(error)) endpoints.moveOn(client);
        throw readable(error);
      } finally {
        underway.delete(answer);
      }
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
      await Promise.allSettled(underway);
      if (owned) for (const client of clients) client.close();
    },
  };
  return endpoints;
}

/**
 * Rejects when there is no answer in time. A deadline of gRPC alone leaves a client hanging that waits for its password's token,
 * and fires before the answers are read that came while the process was stalled.
 */
function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => setImmediate(reject, new NoAnswer(ms)), ms);
    answer.then(
      (result) => {
        clearTimeout(timer);
        resolve(result);
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
