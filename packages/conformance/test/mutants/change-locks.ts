import type { AcquireOptions, Lock, Locks } from '@holdfast/lock-core';

type Body = (lock: Lock) => unknown;
type Using = (key: string, options: AcquireOptions | undefined, body: Body) => Promise<unknown>;

/** `using` with its two forms, from a function of one form. */
export function asUsing(using: Using): Locks['using'] {
  const either = (key: string, first: AcquireOptions | Body | undefined, body?: Body) =>
    typeof first === 'function' ? using(key, undefined, first) : using(key, first, body!);
  return either as Locks['using'];
}

/** `using` in one form, of right locks. */
export function usingOf(locks: Locks): Using {
  return (key, options, body) => (options === undefined ? locks.using(key, body) : locks.using(key, options, body));
}

/** Locks with other options than were asked for. */
export function withOptions(locks: Locks, change: (options: AcquireOptions) => AcquireOptions): Locks {
  const using = usingOf(locks);
  return {
    ...locks,
    acquire: async (key, options) => locks.acquire(key, change({ ...options })),
    tryAcquire: async (key, options) => locks.tryAcquire(key, change({ ...options })),
    using: asUsing(async (key, options, body) => using(key, change({ ...options }), body)),
  };
}

/** Locks for other keys than were asked for. */
export function withKeys(locks: Locks, change: (key: string) => string): Locks {
  const using = usingOf(locks);
  return {
    ...locks,
    acquire: async (key, options) => locks.acquire(change(key), options),
    tryAcquire: async (key, options) => locks.tryAcquire(change(key), options),
    using: asUsing(async (key, options, body) => using(change(key), options, body)),
    inspect: async (key) => locks.inspect(change(key)),
    forceRelease: async (key) => locks.forceRelease(change(key)),
  };
}

/** Locks whose handles differ in the members that `change` gives. */
export function withHandles(
  locks: Locks,
  change: (lock: Lock, options: AcquireOptions | undefined) => Partial<Lock>,
): Locks {
  const wrap = (lock: Lock, options: AcquireOptions | undefined): Lock => {
    const changed = change(lock, options);
    return new Proxy(lock, {
      get(target, name) {
        if (name in changed) return Reflect.get(changed, name);
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
  };
  const using = usingOf(locks);
  return {
    ...locks,
    acquire: async (key, options) => wrap(await locks.acquire(key, options), options),
    async tryAcquire(key, options) {
      const lock = await locks.tryAcquire(key, options);
      return lock && wrap(lock, options);
    },
    using: asUsing((key, options, body) => using(key, options, (lock) => body(wrap(lock, options)))),
  };
}
