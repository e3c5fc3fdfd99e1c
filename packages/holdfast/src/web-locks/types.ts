/** The shape of `navigator.locks`, over a backend: all processes that open the backend share its names. */
export interface WebLocks {
  /**
   * Runs `callback` under the lock, which is held until its promise settles, and gives back its result or error.
   *
   * @throws DOMException NotSupportedError: a combination of options that the platform refuses too, a name that no backend
   * takes, `mode: 'shared'` where the backend has no shared locks; AbortError: the lock was stolen or lost; InvalidStateError: the locks are closed.
   * TypeError. LockError LOCK_BACKEND, LOCK_TIMEOUT, LOCK_FOREIGN_KEY. The signal's own reason
   */
  request<T>(name: string, callback: WebLockCallback<T>): Promise<T>;
  request<T>(name: string, options: WebLockOptions, callback: WebLockCallback<T>): Promise<T>;
  /**
   * The locks that anybody holds, and the requests of this object that wait. It may read everything there is: for an operator's
   * eyes, not for every request.
   *
   * @throws DOMException NotSupportedError where the backend cannot list its locks; LockError LOCK_BACKEND
   */
  query(): Promise<WebLockSnapshot>;
}

/** What runs under the lock; with `ifAvailable` it gets null when the lock is busy. */
export type WebLockCallback<T> = (lock: WebLock | null) => T | PromiseLike<T>;

/** The options of a request, as the platform has them. */
export interface WebLockOptions {
  /** Default `exclusive`; `shared` is NotSupportedError where the backend has no shared locks. */
  mode?: 'exclusive' | 'shared';
  /** True: no waiting, the callback gets null when the lock is busy. Default false. */
  ifAvailable?: boolean;
  /** True: takes the lock from whoever holds it, and gets it after those who wait already. Default false. */
  steal?: boolean;
  /** Cancels the waiting, with its own reason. */
  signal?: AbortSignal;
}

/** The lock that a callback gets: `name` and `mode` as on the platform, and what a lock over a network needs besides. */
export interface WebLock {
  readonly name: string;
  readonly mode: 'exclusive' | 'shared';
  /** Aborts when the lock is stolen or lost: hand it to what can be cancelled. */
  readonly signal: AbortSignal;
  /** Higher for every later holder: have the guarded resource check it. `undefined` where the backend has none. */
  readonly fencingToken: bigint | undefined;
}

/** A lock that is held, or a request that waits. */
export interface WebLockInfo {
  name: string;
  mode: 'exclusive' | 'shared';
  /** One id for all that this object holds and waits for; of a lock of others, the backend's id of the hold. */
  clientId: string;
}

/** What `query` saw. */
export interface WebLockSnapshot {
  held: WebLockInfo[];
  /** In the order of their requests. */
  pending: WebLockInfo[];
}
