import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import type { LockOwner } from './api.ts';

const context = new AsyncLocalStorage<Owner>();

const idDigits = 32;
const idsInPool = 64;
let pool = '';
let drawn = 0;

/** 128 random bits as 32 hexadecimal digits (H3); cut from a pool, since one system call per lock would be dear. */
export function newId(): string {
  if (drawn === pool.length) {
    pool = randomBytes((idsInPool * idDigits) / 2).toString('hex');
    drawn = 0;
  }
  drawn += idDigits;
  return pool.slice(drawn - idDigits, drawn);
}

/** An identity, and the identity in whose `using` body it arose. */
export class Owner implements LockOwner {
  readonly label: string | undefined;
  readonly parent: Owner | undefined;
  #id: string | undefined;

  constructor(label: string | undefined, parent: Owner | undefined) {
    this.label = label;
    this.parent = parent;
  }

  get id(): string {
    this.#id ??= newId();
    return this.#id;
  }

  run<T>(fn: () => T): T {
    return context.run(this, fn);
  }
}

/** The owner bound to the current async context. */
export const contextOwner = (): Owner | undefined => context.getStore();

/** Runs `fn` outside of every owner: callbacks of one task must not act in the name of another. */
export const withoutOwner = <T>(fn: () => T): T => context.exit(fn);

/**
 * Whether `asking` may re-enter what `holding` holds: the same owner, or one that arose inside its `using` body. Two
 * tasks started side by side in one body are siblings, and exclude each other (H59).
 */
export function isWithin(asking: LockOwner, holding: LockOwner): boolean {
  for (let owner: LockOwner | undefined = asking; owner !== undefined; owner = (owner as Owner).parent) {
    if (owner === holding) return true;
  }
  return false;
}
