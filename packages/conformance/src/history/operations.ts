import type { Call, History, Hold } from './holds.ts';
import type { LockOp } from './models.ts';
import type { Operation } from './wgl.ts';

const never = Number.POSITIVE_INFINITY;

/** Converts holds to operations for `checkLinearizable`: an acquire, and a release or, if no release was confirmed, an expiry. */
export function operationsOf(holds: readonly Hold[]): Operation<LockOp>[] {
  return holds.flatMap(({ id: hold, owner, fence, lastFence, invokedAt, start, end, doneAt }) => {
    const operations: Operation<LockOp>[] = [
      { call: invokedAt, return: start, op: { f: 'acquire', hold, owner, fence, lastFence } },
    ];
    const f = doneAt === never ? 'expire' : 'release';
    if (end !== never) operations.push({ call: end, return: doneAt, op: { f, hold, owner } });
    return operations;
  });
}

/** The refusals as operations, each of which needs a holder, and the unanswered requests, any of which may have become that holder. */
export function refusalsOf({ refusals, unanswered }: Pick<History, 'refusals' | 'unanswered'>): Operation<LockOp>[] {
  // Under an owner of its own: a hold that nobody heard of cannot be re-entered.
  const maybe = (f: LockOp['f'], { hold, invokedAt }: Call): Operation<LockOp> => ({
    call: invokedAt,
    return: never,
    op: { f, hold, owner: hold, sure: false },
  });
  return [
    ...refusals.map(({ hold, owner, invokedAt, returnedAt }) => ({
      call: invokedAt,
      return: returnedAt,
      op: { f: 'busy' as const, hold, owner },
    })),
    ...unanswered.flatMap((call) => [maybe('acquire', call), maybe('expire', call)]),
  ];
}

/** The places in the queue as operations. A place exists at the latest when it is confirmed; an abandoned place may end at any time. */
export function placesOf({ places }: Pick<History, 'places'>): Operation<LockOp>[] {
  return places.flatMap(({ hold, owner, invokedAt, returnedAt, granted }) => {
    const place: Operation<LockOp> = { call: invokedAt, return: returnedAt, op: { f: 'queue', hold, owner } };
    if (granted) return [place];
    return [place, { call: invokedAt, return: never, op: { f: 'leave', hold, owner, sure: false } }];
  });
}
