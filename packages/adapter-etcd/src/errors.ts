import { LockError } from '@holdfast/lock-core';
import { EtcdLeaseInvalidError, GRPCGenericError } from 'etcd3';

/** A call had no answer within its time-out. */
export class NoAnswer extends Error {
  constructor(withinMs: number) {
    super(`etcd gave no answer within ${withinMs} ms`);
  }
}

/** A member did not do what was requested; another member may. */
export class MemberFailure extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

/** Whatever was asked may have been done. */
class UnexpectedAnswer extends LockError {}

/** An answer that etcd cannot have given; see `answers.ts`. */
export function unexpectedAnswer(what: string, value: unknown): LockError {
  const shown = typeof value === 'object' ? JSON.stringify(value)?.slice(0, 200) : String(value);
  return new UnexpectedAnswer(
    'LOCK_BACKEND',
    `etcd gave an unexpected answer: ${what} is ${shown}. Check that the address is that of an etcd with the v3 API, and that nothing between changes its answers.`,
    { retryable: false },
  );
}

/** The place in the queue is gone, and with it the turn (H77). */
export const placeLost = (name: string, why: string): Error =>
  new Error(`the place in the queue of lock ${JSON.stringify(name)} on etcd is gone: ${why}`);

export const closed = (): LockError =>
  new LockError('LOCK_CLOSED', 'This etcd lock adapter is closed: open a new one.');

/** A key of the lock that no lock client wrote, because it has no lease. It must stay untouched (H25). */
export function foreignKey(name: string, key: Buffer): LockError {
  return new LockError(
    'LOCK_FOREIGN_KEY',
    `etcd key ${JSON.stringify(key.toString())} has no lease, so it is data and not a lock; it was left untouched. ` +
      'Use another name, or another prefix for all locks.',
    { key: name },
  );
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : '');

/** Whether a call cannot have reached etcd, because there was no connection to send it on. */
export function wasNeverSent(error: unknown): boolean {
  return /UNAVAILABLE: (No connection established|Name resolution failed)|^etcd cannot be used at/.test(
    messageOf(error),
  );
}

/** Whether the answer is not one of gRPC. Then it comes from a proxy, or from a server that is not etcd. */
export function isHttpStatus(error: unknown): boolean {
  return messageOf(error).includes('Received HTTP status code');
}

/** Whether etcd refused the token and not the user. A new token may be accepted (H126). */
export function isStaleToken(error: unknown): boolean {
  return isStaleTokenReason(messageOf(error));
}

/** The same for the reason that etcd gives when it refuses a watch. etcd 3.4 calls every refusal there "permission denied". */
export function isStaleTokenReason(reason: string): boolean {
  return /invalid auth token|auth token is invalid|revision of auth store is old|user name is empty/.test(reason);
}

export function isAuthenticationOff(error: unknown): boolean {
  return messageOf(error).includes('authentication is not enabled');
}

export function isLeaseGone(error: unknown): boolean {
  return error instanceof EtcdLeaseInvalidError || messageOf(error).includes('requested lease not found');
}

/** Whether another member of the cluster may succeed. */
export function isMemberFailure(error: unknown): boolean {
  if (isStaleToken(error) || refusalOf(error) !== undefined) return false;
  return error instanceof NoAnswer || error instanceof MemberFailure || error instanceof GRPCGenericError;
}

/** Whether etcd refused a request without doing any of it: an ended lease, missing rights, or a request that is too large. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof LockError) return !error.retryable && !(error instanceof UnexpectedAnswer);
  return isLeaseGone(error) || refusalOf(error) !== undefined;
}

interface Refusal {
  readonly says: RegExp;
  readonly remedy: string;
}

const access = 'Check the user name, the password, and the role: it needs to read and write all keys under the prefix.';

/** What etcd says when no repetition of a request can succeed, and what to do about it. */
const refusals: readonly Refusal[] = [
  { says: /user name is empty/, remedy: 'etcd requires authentication: set username and password.' },
  {
    says: /authentication failed|permission denied|user name not found|role name not found|authentication is not enabled/,
    remedy: access,
  },
  {
    says: /database space exceeded/,
    remedy: 'Compact and defragment etcd or raise its quota, then run "etcdctl alarm disarm".',
  },
  { says: /corrupt cluster/, remedy: 'Restore the damaged member, then run "etcdctl alarm disarm".' },
  { says: /request is too large|too many operations/, remedy: 'Use a shorter name, or raise the limits of etcd.' },
  { says: /UNIMPLEMENTED|unknown service/, remedy: 'Check the address: locks need the v3 API of etcd 3.4 or later.' },
];

/** Why no connection can succeed, and what to do about it. */
const connectionRefusals: readonly Refusal[] = [
  { says: /Protocol error|Received HTTP status code/, remedy: 'What listens there is not etcd: check host and port.' },
  {
    says: /wrong.version.number|packet length too long/i,
    remedy: 'The server does not use TLS: check the port, or connect without TLS.',
  },
  {
    says: /certificate|ERR_TLS_|handshake failure/i,
    remedy: 'TLS is refused: check tls.ca, tls.cert, tls.key, and the host name.',
  },
];

/** Why etcd refused a request for good; `undefined` for all other errors. */
function refusalOf(error: unknown): Refusal | undefined {
  const message = messageOf(error);
  if (message === '' || error instanceof NoAnswer || error instanceof LockError) return undefined;
  if (wasNeverSent(error) || isHttpStatus(error)) return undefined;
  return refusals.find(({ says }) => says.test(message));
}

/** The same when a connection cannot be made to `host`. */
export function connectionRefused(error: unknown, host: string): LockError | undefined {
  const message = messageOf(error);
  // The words of a name server or of the system contain the name of the host, which may be any word.
  if (/Name resolution failed|getaddrinfo|EAI_AGAIN|ENOTFOUND/.test(message)) return undefined;
  const refusal = connectionRefusals.find(({ says }) => says.test(message));
  return refusal && unusable(host, serversWords(message), refusal.remedy);
}

/** The server's words without the names of codes and libraries around them. */
function serversWords(message: string): string {
  return message
    .replace(/^(?:\w+Error: )?\d+ [A-Z_]+: /, '')
    .replace(/^No connection established\. Last error: (?:Error: )?/, '')
    .replace(/ \(\d{4}-\d\d-\d\dT[^)]*\)/, '')
    .replace(/\.? Resolution note:.*$/s, '')
    .trim();
}

/** A definite refusal as a `LockError`. Any other error means "unknown" and stays as it is. */
export function readable(error: unknown): unknown {
  const refusal = refusalOf(error);
  if (refusal === undefined) return error;
  const text = `etcd refuses the request: ${serversWords(messageOf(error))}. ${refusal.remedy}`;
  return new LockError('LOCK_BACKEND', text, { retryable: false });
}

/** The same error, marked if nothing was sent: core then has nothing to clean up (H116). Other errors stay as they are. */
export function notSent(error: unknown): unknown {
  if (!isMemberFailure(error)) return error;
  return new LockError('LOCK_BACKEND', messageOf(error), { cause: error, notSent: true });
}

/** What listens at an address cannot be used. */
export function unusable(host: string, words: string, remedy: string): LockError {
  return new LockError('LOCK_BACKEND', `etcd cannot be used at ${host}: ${words}. ${remedy}`, { retryable: false });
}
