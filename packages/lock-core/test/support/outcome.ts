/** Follows a promise without waiting for it, so that a test can look at what it has come to. */
export interface Followed<T> {
  readonly state: 'pending' | 'resolved' | 'rejected';
  readonly value: T | undefined;
  readonly error: unknown;
}

export function follow<T>(promise: Promise<T>): Followed<T> {
  const followed: { state: Followed<T>['state']; value: T | undefined; error: unknown } = {
    state: 'pending',
    value: undefined,
    error: undefined,
  };
  promise.then(
    (value) => Object.assign(followed, { state: 'resolved', value }),
    (error: unknown) => Object.assign(followed, { state: 'rejected', error }),
  );
  return followed;
}

/** The code of the LockError with which a promise rejects. */
export async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
