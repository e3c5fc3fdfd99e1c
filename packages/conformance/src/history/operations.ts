import type { Call, History, Hold } from './holds.ts';
import type { LockOp } from './models.ts';
import type { Operation } from './wgl.ts';

const never = Number.POSITIVE_INFINITY;

/** A hold as the general checker sees it: its acquire, and its release or, where no release was confirmed, its expiry. */
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

/** Refusals, which must meet a holder, and the requests without an answer, which may have become one. */
export function refusalsOf({ refusals, unanswered }: Pick<History, 'refusals' | 'unanswered'>): Operation<LockOp>[] {
  // As an owner of its own: what nobody was told of re-enters nothing.
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

/** Places in the queue, confirmed at the latest when they are; one that was given up may have gone at any time. */
export function placesOf({ places }: Pick<History, 'places'>): Operation<LockOp>[] {
  return places.flatMap(({ hold, owner, invokedAt, returnedAt, granted }) => {
    const place: Operation<LockOp> = { call: invokedAt, return: returnedAt, op: { f: 'queue', hold, owner } };
    if (granted) return [place];
    return [place, { call: invokedAt, return: never, op: { f: 'leave', hold, owner, sure: false } }];
  });
}
