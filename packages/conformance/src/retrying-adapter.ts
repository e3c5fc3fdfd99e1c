import { AssertionError } from 'node:assert/strict';
import { type AcquireAttempt, isLockError, type LockAdapter } from '@holdfast/lock-core';
import type { Context } from './context.ts';

/** Thrown when nothing can be concluded; the case is then skipped, with the message as its reason. */
export class Inconclusive extends Error {}

/** Thrown when something came too late: by a fault of the adapter, or because the backend got no time to run. */
export class TooLate extends AssertionError {
  constructor(message: string) {
    super({ message });
  }
}

const withoutOutcome = 'renewMany has no outcome for some of its holds, however often it is asked';

/** Calls that answer the same when they are made again. */
const repeatable: ReadonlySet<unknown> = new Set(['tryAcquire', 'renew', 'downgrade', 'inspect', 'keys']);
/** Calls whose second answer may be "no" because the first had done it. */
const onceOnly: ReadonlySet<unknown> = new Set(['release', 'forceRelease']);

/**
 * The client, asked again within the bound where its answer is "unknown", as lock-core would ask it: on a busy machine an answer
 * may come too late for it. One that never knows rejects with its own error.
 */
export function retryingAdapter(context: Context, adapter: LockAdapter): LockAdapter {
  return new Proxy(adapter, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      const call = (...args: unknown[]): Promise<unknown> => Reflect.apply(member, target, args);
      // The outcome of some may be unknown, such as where a node of a quorum is slow. All are asked for again, so that none is left out.
      if (name === 'renewMany')
        return (...args: unknown[]) =>
          untilKnown(context, 'renewMany is answered', async () => {
            const outcomes = await call(...args);
            if (Array.isArray(outcomes) && outcomes.includes(undefined)) throw new TooLate(withoutOutcome);
            return outcomes;
          });
      if (repeatable.has(name))
        return (...args: unknown[]) =>
          untilKnown(context, `${String(name)} is answered`, () => call(...args), isUnwanted(args[0]));
      if (!onceOnly.has(name)) return call;
      return (...args: unknown[]) => {
        let asked = 0;
        return untilKnown(context, `${String(name)} is answered`, async () => {
          asked += 1;
          const answer = await call(...args);
          if (asked > 1 && (answer === 'not-held' || answer === false))
            throw new Inconclusive(
              `the machine stalled: ${String(name)} had no answer in time, and may have been done`,
            );
          return answer;
        });
      };
    },
  });
}

/** Whether nobody wants the answer any more, of a request with a signal. */
const isUnwanted = (request: unknown) => (): boolean =>
  (request as Partial<AcquireAttempt> | undefined)?.signal?.aborted === true;

/** What `ask` gives, asked again while that is unknown. @throws its own last error when it stays so, or is definite */
export async function untilKnown<T>(
  context: Context,
  what: string,
  ask: () => Promise<T>,
  isEnough = () => false,
): Promise<T> {
  let failure: unknown;
  let known: { readonly value: T } | undefined;
  const look = async () => {
    try {
      known = { value: await ask() };
      return true;
    } catch (error) {
      failure = error;
      const definite = error instanceof Inconclusive || (isLockError(error) && !error.retryable);
      return definite || isEnough();
    }
  };
  await context.eventually(what, look).catch((error) => Promise.reject(failure ?? error));
  if (known === undefined) throw failure;
  return known.value;
}
