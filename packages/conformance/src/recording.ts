import type { AcquireAttempt, HoldRef, LockAdapter } from '@holdfast/lock-core';

/** One call that reached an adapter. */
export interface Command {
  readonly name: string;
  readonly key: string | undefined;
  readonly owner: string | undefined;
}

/** The adapter as it is, with every call noted before it is made. */
export function recorded(adapter: LockAdapter): { adapter: LockAdapter; commands: Command[] } {
  const commands: Command[] = [];
  const note = (name: string, first: unknown) => {
    const targets = Array.isArray(first) ? first : [first];
    for (const target of targets as (string | AcquireAttempt | HoldRef | undefined)[]) {
      const key = typeof target === 'string' ? target : target?.key;
      commands.push({ name, key, owner: typeof target === 'object' ? target.owner : undefined });
    }
  };
  const spied = new Proxy(adapter, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        note(String(name), args[0]);
        return Reflect.apply(member, target, args);
      };
    },
  });
  return { adapter: spied, commands };
}
