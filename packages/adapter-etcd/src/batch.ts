import { nextTick } from 'node:process';
import type { ITxnRequest, ITxnResponse } from 'etcd3';
import { revisionOf } from './answers.ts';
import type { Endpoints } from './endpoints.ts';
import { isRefusal, unexpectedAnswer } from './errors.ts';

/** A transaction that may be combined with those of other owners. */
export interface Part<T> {
  /** Parts with a claim in common are never combined: etcd compares with the state before the whole transaction. */
  claims(): readonly string[];
  /** Frees a place, and therefore comes before the parts that read the queue. */
  readonly frees: boolean;
  readonly txn: ITxnRequest;
  /** Decodes the answer; `revision` is the revision of its writes. */
  read(answer: ITxnResponse, revision: string): T;
}

/** Sends parts in as few transactions as possible. */
export interface Batch {
  send<T>(part: Part<T>): Promise<T>;
  /** Sends what has been collected at once. */
  flush(): void;
}

interface Sent {
  readonly part: Part<unknown>;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

// etcd takes 128 operations in a transaction by default.
const mostParts = 64;

/**
 * Sends the requests of one turn of the event loop in one transaction: each transaction costs etcd a write to the disks of a
 * majority, and costs the client more than its contents. Under contention, a release shares one with the next request for a place.
 */
export function createBatch(endpoints: Endpoints): Batch {
  let waiting: Sent[] = [];
  const claimed = new Set<string>();

  function flush(): void {
    const sent = waiting;
    waiting = [];
    claimed.clear();
    if (sent.length > 1) void together(sent);
    else for (const only of sent) void alone(only);
  }

  async function alone({ part, resolve, reject }: Sent): Promise<void> {
    try {
      const answer = await endpoints.call((client, options) => client.kv.txn(part.txn, options));
      resolve(part.read(answer, revisionOf(answer)));
    } catch (error) {
      reject(error);
    }
  }

  async function together(sent: readonly Sent[]): Promise<void> {
    const ordered = [...sent.filter(({ part }) => part.frees), ...sent.filter(({ part }) => !part.frees)];
    const success = ordered.map(({ part }) => ({ request_txn: part.txn }));
    try {
      const answer = await endpoints.call((client, options) => client.kv.txn({ success }, options));
      const revision = revisionOf(answer);
      for (const [i, one] of ordered.entries()) settle(one, answer.responses[i]?.response_txn, revision);
    } catch (error) {
      // etcd refused the whole transaction because of one part, for example one whose lease has ended, and did nothing.
      if (isRefusal(error)) for (const one of ordered) void alone(one);
      else for (const { reject } of ordered) reject(error);
    }
  }

  function settle({ part, resolve, reject }: Sent, answer: ITxnResponse | undefined, revision: string): void {
    try {
      if (!answer) throw unexpectedAnswer('a part of a transaction', answer);
      resolve(part.read(answer, revision));
    } catch (error) {
      reject(error);
    }
  }

  function claim(part: Part<unknown>): void {
    for (const name of part.claims()) claimed.add(name);
  }

  /** Whether a collected part has a claim in common. Most parts are alone, and then no claims are computed. */
  function clashes(part: Part<unknown>): boolean {
    if (waiting.length === 0) return false;
    if (waiting.length === 1) claim(waiting[0]!.part);
    return part.claims().some((name) => claimed.has(name));
  }

  return {
    send<T>(part: Part<T>) {
      return new Promise<T>((resolve, reject) => {
        if (waiting.length >= mostParts || clashes(part)) flush();
        waiting.push({ part, resolve: resolve as Sent['resolve'], reject });
        if (waiting.length === 1) nextTick(flush);
        else claim(part);
      });
    },
    flush,
  };
}
