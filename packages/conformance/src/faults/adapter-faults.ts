import type { LockAdapter } from '@holdfast/lock-core';

/**
 * A fault of one call. `request-lost` rejects without making the call. `reply-lost` makes the call, and rejects as if its answer were
 * lost. `late` rejects at once, and makes the call some time later. `twice` makes the call twice, and returns the first answer.
 * `delayMs` makes the call, and delays its answer.
 */
export type AdapterFault = 'request-lost' | 'reply-lost' | 'late' | 'twice' | { readonly delayMs: number };

/** The methods whose calls can have faults. */
export type FaultyMethod =
  | 'tryAcquire'
  | 'renew'
  | 'renewMany'
  | 'downgrade'
  | 'release'
  | 'enqueue'
  | 'inspect'
  | 'keys'
  | 'forceRelease';

/** An adapter behind a simulated bad network, for backends without a network. */
export interface AdapterFaults {
  readonly adapter: LockAdapter;
  /** Injects faults into the next calls of a method, one fault for each call. */
  inject(method: FaultyMethod, ...faults: readonly AdapterFault[]): void;
  /** The number of faults that were injected so far. */
  readonly injected: number;
}

/** How late a `late` call is made, in ms. */
const lateMs = 50;

/** Wraps an adapter so that faults can be injected into its calls. */
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
