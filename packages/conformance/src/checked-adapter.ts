import type { AcquireAttempt, Capabilities, HoldRef, LockAdapter } from '@holdfast/lock-core';
import { type Ends, type LeaseCall, longestLease } from './key-ends.ts';

/** Sums of floating-point times are off by less. */
const ROUNDING_MS = 0.01;

/** `standsMs`: for how long from the call a hold of the owner was promised to stand by an answer before. */
type Check = (answer: unknown, args: readonly unknown[], elapsedMs: number, standsMs: number) => string | undefined;

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const isCount = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0;

/** How a value looks in a message; its type too, because '250' is not 250. */
function shown(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (isObject(value)) return `{ ${Object.keys(value).join(', ')} }`;
  return String(value);
}

/** What every answer of an adapter must look like, whatever was asked: gives what is wrong with it. */
function answerChecks(capabilities: Capabilities): Partial<Record<keyof LockAdapter, Check>> {
  const { fencing, expiry } = capabilities;

  const validity = (value: unknown, ttlMs: number, elapsedMs = 0, standsMs = 0): string | undefined => {
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0)
      return `validForMs must be a finite number above 0, not ${shown(value)}`;
    const most = Math.max(longestLease(capabilities, ttlMs) + elapsedMs, standsMs) + ROUNDING_MS;
    if (expiry === 'ttl' && value > most)
      return `validForMs is ${value}, but a lease of ${ttlMs} ms can be certain for ${most.toFixed(1)} ms at most`;
    return undefined;
  };
  const token = (value: unknown): string | undefined => {
    if (fencing && typeof value !== 'bigint') return `fencingToken must be a bigint, not ${shown(value)}`;
    if (!fencing && value !== undefined) return `fencing is not declared, but fencingToken is ${shown(value)}`;
    return undefined;
  };
  const granted = (
    answer: Record<string, unknown>,
    { ttlMs }: AcquireAttempt,
    elapsedMs?: number,
    standsMs?: number,
  ) => {
    const { tokens } = answer;
    if (tokens !== undefined && !(isCount(tokens) && (tokens as number) > 0))
      return `tokens must be a whole number above 0, not ${shown(tokens)}`;
    return validity(answer.validForMs, ttlMs, elapsedMs, standsMs) ?? token(answer.fencingToken);
  };
  const renewed = (answer: unknown, ttlMs: number, elapsedMs: number): string | undefined => {
    if (!isObject(answer)) return `the answer must be an object, not ${shown(answer)}`;
    if (answer.status === 'lost') return undefined;
    if (answer.status !== 'renewed') return `status must be "renewed" or "lost", not ${shown(answer.status)}`;
    // A lease may begin when the request is made, which may be a while after the call.
    return validity(answer.validForMs, ttlMs, elapsedMs);
  };

  return {
    tryAcquire(answer, [attempt], elapsedMs, standsMs) {
      if (!isObject(answer)) return `the answer must be an object, not ${shown(answer)}`;
      if (answer.status === 'granted') return granted(answer, attempt as AcquireAttempt, elapsedMs, standsMs);
      if (answer.status !== 'busy') return `status must be "granted" or "busy", not ${shown(answer.status)}`;
      return undefined;
    },
    enqueue(answer, [attempt], elapsedMs, standsMs) {
      if (!isObject(answer) || answer.status !== 'granted')
        return `enqueue must resolve to { status: "granted", … }, not to ${shown(isObject(answer) ? answer.status : answer)}`;
      return granted(answer, attempt as AcquireAttempt, elapsedMs, standsMs);
    },
    renew: (answer, [, ttlMs], elapsedMs) => renewed(answer, ttlMs as number, elapsedMs),
    downgrade: (answer, [, ttlMs], elapsedMs) => renewed(answer, ttlMs as number, elapsedMs),
    renewMany(answer, [holds, ttlMs], elapsedMs) {
      const { length } = holds as readonly unknown[];
      if (!Array.isArray(answer)) return `the answer must be a list, not ${shown(answer)}`;
      if (answer.length !== length) return `${length} holds were to be renewed, and ${answer.length} answers came`;
      return answer.map((each) => renewed(each, ttlMs as number, elapsedMs)).find((wrong) => wrong !== undefined);
    },
    release: (answer) =>
      answer === 'released' || answer === 'not-held'
        ? undefined
        : `the answer must be "released" or "not-held", not ${shown(answer)}`,
    forceRelease: (answer) =>
      typeof answer === 'boolean' ? undefined : `the answer must be true or false, not ${shown(answer)}`,
    inspect(answer, [key]) {
      if (answer === undefined) return undefined;
      if (!isObject(answer)) return `the answer must be an object or undefined, not ${shown(answer)}`;
      const { owner, waiters } = answer;
      if (answer.key !== key) return `asked for the key ${shown(key)}, it tells of ${shown(answer.key)}`;
      if (typeof owner !== 'string' || owner === '') return `owner must be the owner ID, not ${shown(owner)}`;
      if (waiters !== undefined && !isCount(waiters))
        return `waiters must be a whole number of 0 or more, or undefined, not ${shown(waiters)}`;
      return token(answer.fencingToken);
    },
    keys(answer) {
      if (!isObject(answer) || !Array.isArray(answer.keys))
        return `the answer must be { keys, next }, not ${shown(answer)}`;
      const odd = answer.keys.find((key) => typeof key !== 'string' || key === '');
      if (odd !== undefined) return `keys must be a list of keys; there is ${shown(odd)} in it`;
      const { next } = answer;
      return next === undefined || typeof next === 'string' ? undefined : `next must be a cursor, not ${shown(next)}`;
    },
  };
}

/** Whether an error is one of the program, and none of a backend; that of a request of `fetch` has a cause. */
const isBug = (error: unknown): boolean =>
  error instanceof ReferenceError ||
  error instanceof RangeError ||
  (error instanceof TypeError && error.cause === undefined);

/** Until when a hold may stand, after all that was answered: to ask again may leave a longer lease as it is. */
function latestEnds(capabilities: Capabilities) {
  const ends = new Map<string, number>();
  const nameOf = (hold: unknown) => (isObject(hold) ? `${hold.owner} ${hold.key}` : '');
  const noteOne = (hold: unknown, ttlMs: unknown, answer: unknown, answeredAt: number, mayKeep: boolean): void => {
    if (!isObject(answer) || !(answer.status === 'granted' || answer.status === 'renewed')) return;
    const end = answeredAt + longestLease(capabilities, ttlMs as number);
    ends.set(nameOf(hold), mayKeep ? Math.max(end, ends.get(nameOf(hold)) ?? 0) : end);
  };
  return {
    get: (hold: unknown) => ends.get(nameOf(hold)),
    note(method: string | symbol, [first, ttlMs]: readonly unknown[], answer: unknown, answeredAt: number): void {
      if (method === 'renew' || method === 'downgrade') noteOne(first, ttlMs, answer, answeredAt, false);
      else if (method === 'renewMany' && Array.isArray(answer))
        for (const [i, hold] of (first as readonly unknown[]).entries())
          noteOne(hold, ttlMs, answer[i], answeredAt, false);
      else if (isObject(first)) noteOne(first, first.ttlMs, answer, answeredAt, true);
    },
  };
}

/** What is wrong with the time until a lease of a key ends, which a call of this client between these two times was told. */
function wrongTimeLeft(
  ends: Ends,
  client: object,
  method: string | symbol,
  [first]: readonly unknown[],
  answer: unknown,
  [calledAt, answeredAt]: readonly [number, number],
): string | undefined {
  const isLook = method === 'inspect';
  if (!isObject(answer) || !(isLook || (method === 'tryAcquire' && answer.status === 'busy'))) return undefined;
  const name = isLook ? 'remainingMs' : 'retryAfterMs';
  const [key, leftMs] = [isLook ? (first as string) : (first as AcquireAttempt).key, answer[name]];
  if (leftMs === undefined) return undefined;
  const isNumber = typeof leftMs === 'number' && Number.isFinite(leftMs);
  // A lease that ends between two looks at the clock leaves less than nothing, by as much as the machine stalls there.
  const mayBeOver = () =>
    -(leftMs as number) <= answeredAt - calledAt + ROUNDING_MS && ends.mayEnd(key, calledAt, answeredAt);
  if (!isNumber || (leftMs < 0 && !mayBeOver()))
    return `${name} must be a finite number of 0 or more, or undefined, not ${shown(leftMs)}`;
  const most = ends.mostMs(key, calledAt, isLook ? client : undefined);
  return leftMs > most
    ? `${name} is ${leftMs}, but all leases of the key are over in ${most.toFixed(1)} ms`
    : undefined;
}

/** The leases that a call is about, and none where it can begin or change none. */
function leasesOf(method: string | symbol, [first, ttlMs]: readonly unknown[]): readonly LeaseCall[] {
  if (method === 'tryAcquire' || method === 'enqueue') return [first as AcquireAttempt];
  const renewed = ({ key, owner }: HoldRef): LeaseCall => ({ key, owner, ttlMs: ttlMs as number });
  if (method === 'renew' || method === 'downgrade') return [renewed(first as HoldRef)];
  return method === 'renewMany' ? (first as readonly HoldRef[]).map(renewed) : [];
}

/** What is noted of the answers of all clients of a case. */
export interface Notes {
  readonly ends: Ends;
  /** Told of each answer that has no legal form, with what is wrong with it. */
  onWrong(what: string): void;
  /** Told of each call that was not answered, but rejected. */
  onRejected(method: string, error: unknown): void;
}

/** The adapter as it is, with what it answers noted. */
export function checkedAdapter(
  adapter: LockAdapter,
  capabilities: Capabilities,
  { ends, onWrong, onRejected }: Notes,
): LockAdapter {
  const checks: Partial<Record<string | symbol, Check>> = answerChecks(capabilities);
  /** What an owner that waits first asked, and when: it has one place, and the answer to a second call may be that to the first. */
  const waits = new Map<string, { readonly since: number; readonly ttlMs: number }>();
  const standsUntil = latestEnds(capabilities);
  const waitOf = ({ key, owner, ttlMs }: AcquireAttempt) => {
    const wait = waits.get(`${owner} ${key}`) ?? { since: performance.now(), ttlMs };
    waits.set(`${owner} ${key}`, wait);
    return wait;
  };
  return new Proxy(adapter, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      const check = checks[name];
      if (typeof member !== 'function' || check === undefined) return member;
      return (...args: unknown[]) => {
        const wait = name === 'enqueue' ? waitOf(args[0] as AcquireAttempt) : undefined;
        const calledAt = wait?.since ?? performance.now();
        const leases = leasesOf(name, args);
        const noteAnswers = leases.length > 0 ? ends.ask(leases, target) : () => {};
        let answer: unknown;
        try {
          answer = Reflect.apply(member, target, args);
        } catch (error) {
          onWrong(`${String(name)}: it must return a promise, and threw ${shown(String(error))}`);
          throw error;
        }
        if (!(answer instanceof Promise)) onWrong(`${String(name)}: it must return a promise, not ${shown(answer)}`);
        void Promise.resolve(answer).then(
          (value) => {
            const answeredAt = performance.now();
            noteAnswers(name === 'renewMany' ? (value as readonly unknown[]) : [value]);
            const stands = standsUntil.get(args[0]) ?? 0;
            const mayStand = wait ? Math.max(stands, answeredAt + longestLease(capabilities, wait.ttlMs)) : stands;
            const wrong =
              check(value, args, answeredAt - calledAt, mayStand - calledAt) ??
              wrongTimeLeft(ends, target, name, args, value, [calledAt, answeredAt]);
            standsUntil.note(name, args, value, answeredAt);
            if (wrong !== undefined) onWrong(`${String(name)}: ${wrong}`);
          },
          (error: unknown) => {
            noteAnswers(undefined);
            onRejected(String(name), error);
            if (isBug(error)) onWrong(`${String(name)}: it must not reject with an error of its program: ${error}`);
          },
        );
        return answer;
      };
    },
  });
}
