import type { LockAdapter } from '@holdfast/lock-core';

/**
 * What may become of one call on its way to the backend and back:
 * `request-lost` it is not made, `reply-lost` it is made and its answer is lost: both reject, as of a broken connection;
 * `late` rejects at once, and is made some time later; `twice` is made again after its answer, which is the first one.
 */
export type AdapterFault = 'request-lost' | 'reply-lost' | 'late' | 'twice' | { readonly delayMs: number };

/** The methods on whose way something may happen. */
export type FaultyMethod =
  | 'tryAcquire'
  | 'renew'
  | 'renewMany'
  | 'release'
  | 'enqueue'
  | 'inspect'
  | 'keys'
  | 'forceRelease';

/** An adapter with a bad network before it, for backends that have no network. */
export interface AdapterFaults {
  readonly adapter: LockAdapter;
  /** What becomes of the next calls of a method, one fault for each. */
  inject(method: FaultyMethod, ...faults: readonly AdapterFault[]): void;
  /** How many faults were injected so far. */
  readonly injected: number;
}

/** How late a `late` call is made, in ms. */
const lateMs = 50;

/** Puts faults before an adapter. */
export function adapterFaults(right: LockAdapter): AdapterFaults {
  const queues = new Map<PropertyKey, AdapterFault[]>();
  let injected = 0;
  const adapter = new Proxy(right, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        const call = (): Promise<unknown> => Reflect.apply(member, target, args);
        const fault = queues.get(name)?.shift();
        if (fault === undefined) return call();
        injected++;
        return suffer(fault, String(name), call);
      };
    },
  });
  return {
    adapter,
    inject: (method, ...faults) => void queues.set(method, [...(queues.get(method) ?? []), ...faults]),
    get injected() {
      return injected;
    },
  };
}

async function suffer(fault: AdapterFault, method: string, call: () => Promise<unknown>): Promise<unknown> {
  const unknown = () => new Error(`the answer to ${method} was lost (a fault that the suite injects)`);
  if (typeof fault === 'object') {
    const answer = await call();
    await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
    return answer;
  }
  if (fault === 'request-lost') throw unknown();
  if (fault === 'late') {
    setTimeout(() => void call().catch(() => {}), lateMs);
    throw unknown();
  }
  const answer = await call();
  if (fault === 'reply-lost') throw unknown();
  await call().catch(() => {});
  return answer;
}
