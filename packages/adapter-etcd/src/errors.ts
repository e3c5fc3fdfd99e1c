import { LockError } from '@holdfast/lock-core';
import {
  EtcdAuthenticationFailedError,
  EtcdLeaseInvalidError,
  EtcdPermissionDeniedError,
  EtcdUserNotFoundError,
  GRPCGenericError,
  GRPCInvalidArgumentError,
} from 'etcd3';

/** A call had no answer when its time was up. */
export class NoAnswer extends Error {
  constructor(withinMs: number) {
    super(`etcd gave no answer within ${withinMs} ms`);
  }
}

/** A member did not do what it was asked for; another one may. */
export class MemberFailure extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

/** The place in the queue is gone, and with it the turn (H77). */
export const placeLost = (name: string, why: string): Error =>
  new Error(`the place in the queue of lock ${JSON.stringify(name)} on etcd is gone: ${why}`);

export const closed = (): LockError =>
  new LockError('LOCK_CLOSED', 'This etcd lock adapter is closed: open a new one.');

/** A key of the lock that no lock client wrote, since it has no lease; nobody may touch it (H25). */
export function foreignKey(name: string, key: Buffer): LockError {
  return new LockError(
    'LOCK_FOREIGN_KEY',
    `etcd key ${JSON.stringify(key.toString())} has no lease, so it is data and not a lock; it was left untouched. ` +
      'Use another name, or another prefix for all locks.',
    { key: name },
  );
}

/** Whether another member of the cluster may answer what this one did not. */
export function isMemberFailure(error: unknown): boolean {
  return error instanceof NoAnswer || error instanceof MemberFailure || error instanceof GRPCGenericError;
}

/** Whether etcd has looked at a request and done nothing of it: an ended lease, missing rights, too much for one transaction. */
export function isRefusal(error: unknown): boolean {
  const cause = error instanceof MemberFailure ? error.cause : error;
  return (
    cause instanceof EtcdLeaseInvalidError ||
    cause instanceof GRPCInvalidArgumentError ||
    (cause instanceof LockError && cause.code === 'LOCK_BACKEND' && !cause.retryable)
  );
}

/**
 * A definite refusal of the credentials or rights as a `LockError`, since asking again changes nothing; any other error as
 * it is, which means "unknown" and may be tried again.
 */
export function readable(error: unknown): unknown {
  const refused =
    error instanceof EtcdAuthenticationFailedError ||
    error instanceof EtcdPermissionDeniedError ||
    error instanceof EtcdUserNotFoundError ||
    (error instanceof Error && error.message.includes('etcdserver: authentication is not enabled'));
  if (!refused) return error;
  return new LockError(
    'LOCK_BACKEND',
    `etcd refuses access: ${error.message.replace(/^.*etcdserver: /, '')}. ` +
      'Check the user name, the password, and the role: it needs to read and write all keys under the prefix of the locks.',
    { retryable: false },
  );
}
