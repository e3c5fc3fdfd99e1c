import type { WebLockCallback, WebLockOptions } from './types.ts';

/** The arguments of one request, converted and checked. */
export interface Request<T> {
  readonly name: string;
  readonly callback: WebLockCallback<T>;
  readonly mode: 'exclusive' | 'shared';
  readonly ifAvailable: boolean;
  readonly steal: boolean;
  readonly signal: AbortSignal | undefined;
}

const unsupported = (message: string): DOMException => new DOMException(message, 'NotSupportedError');

/** Checks in the order of the specification, so that the same mistake gives the same error as on the platform. */
export function checkArguments<T>(given: readonly unknown[]): Request<T> {
  const callback = given.length > 2 ? given[2] : given[1];
  const options = (given.length > 2 ? given[1] : undefined) ?? {};
  if (typeof callback !== 'function')
    throw new TypeError('A lock is requested with a callback: request(name, callback).');
  if (typeof options !== 'object') throw new TypeError('The options of a lock request are an object.');
  const { mode = 'exclusive', ifAvailable = false, steal = false, signal } = options as WebLockOptions;
  if (mode !== 'exclusive' && mode !== 'shared') {
    throw new TypeError(`The mode of a lock is "exclusive" or "shared", not ${JSON.stringify(mode)}.`);
  }
  if (signal !== undefined && typeof signal?.addEventListener !== 'function') {
    throw new TypeError('The signal of a lock request is an AbortSignal.');
  }
  const name = String(given[0]);
  if (name.startsWith('-'))
    throw unsupported('The name of a lock does not begin with "-": that is kept for the platform.');
  if (steal && ifAvailable) throw unsupported('A lock request has steal or ifAvailable, not both.');
  if (steal && mode === 'shared') throw unsupported('Only an exclusive lock can be stolen.');
  if (signal !== undefined && (steal || ifAvailable)) {
    throw unsupported('A lock request that does not wait (steal, ifAvailable) has no signal.');
  }
  signal?.throwIfAborted();
  return {
    name,
    callback: callback as WebLockCallback<T>,
    mode,
    ifAvailable: Boolean(ifAvailable),
    steal: Boolean(steal),
    signal,
  };
}
