import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { LockOwner } from './api.ts';
import { refuse, shown } from './errors.ts';
import type { LockHolder } from './lock-adapter.ts';
import type { Clock } from './platform.ts';

const idDigits = 32;
const idsInPool = 256;
let pool = '';
let drawn = 0;

/** 128 random bits as 32 hexadecimal digits (H3), cut from a pool: one system call per lock would be expensive. */
export function newId(): string {
  if (drawn === pool.length) {
    pool = randomBytes((idsInPool * idDigits) / 2).toString('hex');
    drawn = 0;
  }
  drawn += idDigits;
  return pool.slice(drawn - idDigits, drawn);
}

const longestName = 64;

// Encoded, so that no backend and no shell reads a sign of it; `:` and `~` mean nothing to any of them.
const encoded = (name: string): string => encodeURIComponent(name).replaceAll('%3A', ':');

/**
 * Makes the owner IDs of a `Locks`, which people who look into the backend can read (`redis-cli GET`, `etcdctl get`): its name, the
 * time of the request, and 32 random digits, as in `web-1:4711~2026-11-30T04:13:26Z~…`.
 */
export function ownerIds(name: string | undefined, clock: Clock): () => string {
  const prefix = `${encodedName(name)}~`;
  let second = Number.NaN;
  let stamped = '';
  return () => {
    // Written once a second: a date takes longer than all the rest.
    const now = Math.floor(clock.wallNow() / 1_000);
    if (now !== second) {
      second = now;
      stamped = prefix + stamp(now);
    }
    return stamped + newId();
  };
}

/** A time in whole seconds as text; nothing for one that is no date, as a clock of a test may have it. */
function stamp(second: number): string {
  const text = Math.abs(second) < 1e11 ? new Date(second * 1_000).toISOString() : '';
  return /^\d{4}-/.test(text) ? `${text.slice(0, 19)}Z~` : '';
}

function encodedName(name: string | undefined): string {
  if (name === undefined) return encoded(`${hostname()}:${process.pid}`.slice(-longestName));
  if (typeof name !== 'string' || name === '' || name.length > longestName)
    refuse(`name must be a string of 1 to ${longestName} characters, not ${shown(name)}`);
  if (!(name as string & { isWellFormed(): boolean }).isWellFormed()) refuse('name must be well-formed Unicode');
  return encoded(name);
}

/**
 * Who an owner ID of ours belongs to; `undefined` for one that another library made. Behind it may stand the number of a vote, which
 * is how a single Redis sees a lock of Redlock.
 */
export function holderOf(owner: string): LockHolder | undefined {
  const [, text, time] = /^(.+?)(?:~(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ))?~[0-9a-f]{32}(?::\d+)?$/.exec(owner) ?? [];
  if (text === undefined) return undefined;
  const name = decoded(text);
  const [, host, pid] = /^(.+):(\d+)$/.exec(name) ?? [];
  const askedAt = new Date(time ?? Number.NaN);
  return {
    name,
    ...(host !== undefined && { host, pid: Number(pid) }),
    ...(!Number.isNaN(askedAt.getTime()) && { askedAt }),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The async context in which an owner acts: a `using` body, or a call of `owner.run`. */
export class Scope {
  readonly owner: LockOwner;
  /** `run` makes its owner act itself; in a body each acquisition gets an owner of its own. */
  readonly explicit: boolean;
  /** The scope around this one, while that one has not ended. */
  outer: Scope | undefined;
  /** The body has settled: what it left behind in its context re-enters nothing. */
  ended = false;

  constructor(owner: LockOwner, explicit: boolean, outer: Scope | undefined) {
    this.owner = owner;
    this.explicit = explicit;
    this.outer = outer;
  }

  run<T>(fn: () => T): T {
    return context.run(this, fn);
  }
}

const context = new AsyncLocalStorage<Scope>();

/** An identity, and the scope in which it arose. */
export class Owner implements LockOwner {
  readonly label: string | undefined;
  readonly scope: Scope | undefined;
  #id: string | undefined;

  constructor(label: string | undefined, scope: Scope | undefined) {
    this.label = label;
    this.scope = scope;
  }

  get id(): string {
    this.#id ??= newId();
    return this.#id;
  }

  run<T>(fn: () => T): T {
    if (typeof fn !== 'function') refuse(`owner.run takes a function, not ${shown(fn)}`);
    return new Scope(this, true, undefined).run(fn);
  }
}

function firstActive(scope: Scope | undefined): Scope | undefined {
  let active = scope;
  while (active?.ended) active = active.outer;
  return active;
}

/**
 * The innermost scope that has not ended. Ended scopes are cut out of the chain on the way: a job that schedules its next
 * run in its own body would otherwise keep all of its earlier runs in memory.
 */
function activeScope(): Scope | undefined {
  const innermost = firstActive(context.getStore());
  for (let scope = innermost; scope !== undefined; scope = scope.outer) scope.outer = firstActive(scope.outer);
  return innermost;
}

/** The owner of an acquisition that names none: that of `owner.run`, else a new one, nested in the body around it. */
export function contextOwner(): LockOwner {
  const scope = activeScope();
  return scope?.explicit ? scope.owner : new Owner(undefined, scope);
}

/** The owner of a `using` body that names none: always a new one, since bodies side by side exclude each other. */
export const bodyOwner = (): LockOwner => new Owner(undefined, activeScope());

/** The scope of a `using` body: what is nested in it re-enters what `owner` holds, until the body has settled. */
const bodyScope = (owner: LockOwner): Scope => new Scope(owner, false, activeScope());

/** Runs a body in a scope of its own under what `owner` holds, and releases that; gives back the body's result or error (H56). */
export async function runBody<H extends { release(): Promise<unknown> }, T>(
  owner: LockOwner,
  held: H,
  body: (held: H) => T | Promise<T>,
): Promise<T> {
  const scope = bodyScope(owner);
  try {
    return await scope.run(() => body(held));
  } finally {
    scope.ended = true;
    // Never rejects, so it hides neither the result of the body nor its error.
    await held.release();
  }
}

/** Runs `fn` outside of every scope: the callbacks of one task must not act in the name of another. */
export const withoutOwner = <T>(fn: () => T): T => context.exit(fn);

/** Looks for something of `asking`, or of an owner around it whose body still runs. */
export function findEnclosing<T>(asking: LockOwner, find: (owner: LockOwner) => T | undefined): T | undefined {
  let found = find(asking);
  for (let scope = (asking as Owner).scope; found === undefined && scope !== undefined; scope = scope.outer) {
    if (!scope.ended) found = find(scope.owner);
  }
  return found;
}

/**
 * Whether `asking` may re-enter what `holding` holds: the same owner, or one that is nested in a body of it that still runs.
 * Two tasks side by side in one body are siblings and exclude each other (H59, H120).
 */
export function isWithin(asking: LockOwner, holding: LockOwner): boolean {
  if (asking === holding) return true;
  for (let scope = (asking as Owner).scope; scope !== undefined; scope = scope.outer) {
    if (scope.owner === holding && !scope.ended) return true;
  }
  return false;
}
