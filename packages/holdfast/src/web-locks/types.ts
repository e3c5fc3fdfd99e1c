/** The interface of `navigator.locks`, on a backend. All processes that open the backend share its names. */
export interface WebLocks {
  /**
   * Runs `callback` under the lock and returns its result or error. The lock is held until the promise of the callback settles.
   *
   * @throws DOMException NotSupportedError for a combination of options that the platform refuses too, for a name that no backend
   * accepts, and for `mode: 'shared'` if the backend has no shared locks; AbortError if the lock was stolen or lost; InvalidStateError if
   * the locks are closed. TypeError for invalid arguments. LockError LOCK_BACKEND, LOCK_TIMEOUT, LOCK_FOREIGN_KEY. The signal's own reason.
   */
  request<T>(name: string, callback: WebLockCallback<T>): Promise<T>;
  request<T>(name: string, options: WebLockOptions, callback: WebLockCallback<T>): Promise<T>;
  /**
   * Returns all held locks of the backend, and the pending requests of this object. It is for operators, not for every request, since
   * it may search the whole database.
   *
   * @throws DOMException NotSupportedError if the backend cannot list its locks; LockError LOCK_BACKEND no answer
   */
  query(): Promise<WebLockSnapshot>;
}

/** The function that runs under the lock. With `ifAvailable`, its argument is null if the lock is busy. */
export type WebLockCallback<T> = (lock: WebLock | null) => T | PromiseLike<T>;

/** The options of a request, as on the platform. */
export interface WebLockOptions {
  /** Default `exclusive`. `shared` fails with NotSupportedError if the backend has no shared locks. */
  mode?: 'exclusive' | 'shared';
  /** Default false. With true, the request does not wait: the callback gets null if the lock is busy. */
  ifAvailable?: boolean;
  /** Default false. With true, the request frees the lock from its present holder, and gets it after the requests that already wait. */
  steal?: boolean;
  /** Cancels the wait, with the signal's own reason. */
  signal?: AbortSignal;
}

/** The lock that a callback gets: `name` and `mode` as on the platform, plus what a lock over a network needs. */
export interface WebLock {
  readonly name: string;
  readonly mode: 'exclusive' | 'shared';
  /** Aborts when the lock is stolen or lost. Pass it on to everything that can be cancelled. */
  readonly signal: AbortSignal;
  /** Higher for every later hold of the name; let the protected resource check it. `undefined` if the backend has no tokens. */
  readonly fencingToken: bigint | undefined;
}

/** A held lock, or a pending request. */
export interface WebLockInfo {
  name: string;
  mode: 'exclusive' | 'shared';
  /** For locks and requests of this object, one ID that is common to all of them; for other locks, the owner ID of the hold. */
  clientId: string;
}

/** The result of `query`. */
export interface WebLockSnapshot {
  held: WebLockInfo[];
  /** In the order of their requests. */
  pending: WebLockInfo[];
}
