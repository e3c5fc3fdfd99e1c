import { LockError } from '@holdfast/lock-core';
import { codes, explainAnswer } from './server-answers.ts';

/** The request has no answer, and may have been carried out. */
export class Unanswered extends Error {
  override readonly name: string = 'Unanswered';
}

/** The request was never sent: nothing can have come of it. */
export class NotSent extends Unanswered {
  override readonly name: string = 'NotSent';
}

/** The session has ended, and all its nodes with it. */
export class SessionOver extends Error {
  override readonly name: string = 'SessionOver';
  constructor() {
    super('the ZooKeeper session has expired');
  }
}

/** An error code that a server answered. The library has no name for the newer ones, and throws when it meets them. */
export class ServerError extends Error {
  override readonly name: string = 'ServerError';
  readonly code: number;
  constructor(code: number) {
    super(`${explainAnswer(code).name} (${code})`);
    this.code = code;
  }
  /** The library asks its own exceptions in this way. */
  getCode(): number {
    return this.code;
  }
}

/** Every server that was tried answered, but none speaks the protocol of ZooKeeper. */
export class WrongServer extends Error {
  override readonly name: string = 'WrongServer';
}

/** The code of a server's answer or of a library's exception; `undefined` for any other error. */
export function codeOf(error: unknown): number | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return error instanceof Error && typeof code === 'number' ? code : undefined;
}

const connectionEndCodes: readonly (number | undefined)[] = [
  codes.connectionLoss,
  codes.sessionExpired,
  codes.authFailed,
];

/** Whether an error is an answer, rather than the lack of one: the library reports the end of a connection in the same way. */
export function isAnswer(error: unknown): boolean {
  const code = codeOf(error);
  return error instanceof ServerError || (code !== undefined && !connectionEndCodes.includes(code));
}

/** Whether a request was certainly never sent to a server of ZooKeeper. */
export const wasNotSent = (error: unknown): boolean => error instanceof NotSent || error instanceof WrongServer;

/** Whether an error is a definite answer that no repetition changes. */
export function isFinal(error: unknown): boolean {
  if (error instanceof LockError) return !error.retryable;
  if (error instanceof WrongServer) return true;
  const code = codeOf(error);
  // `toLockError` reports a foreign key.
  if (code === codes.noChildrenForEphemerals) return true;
  return code !== undefined && !explainAnswer(code).retryable;
}

/**
 * What a call rejects with: definite where no repetition helps, unknown otherwise. Never carries credentials.
 * @param notSent Nothing was sent for the owner, neither now nor before.
 */
export function toLockError(error: unknown, key: string, notSent?: boolean): LockError {
  if (error instanceof LockError) return error;
  const name = JSON.stringify(key);
  const details = { key, cause: error, retryable: !isFinal(error), notSent };
  const code = codeOf(error);
  if (code === codes.noChildrenForEphemerals) return foreignKey(key);
  if (code !== undefined && (error instanceof ServerError || isFinal(error))) {
    const { name: words, meaning, remedy } = explainAnswer(code);
    return new LockError(
      'LOCK_BACKEND',
      `ZooKeeper answered ${words} (${code}) for lock ${name}: ${meaning}. ${remedy}`,
      details,
    );
  }
  const why = error instanceof Error ? error.message : String(error);
  if (error instanceof WrongServer)
    return new LockError('LOCK_BACKEND', `lock ${name} cannot be used: ${why}`, details);
  return new LockError('LOCK_BACKEND', `no certain answer about lock ${name} from ZooKeeper: ${why}`, details);
}

export const foreignKey = (key: string): LockError =>
  new LockError(
    'LOCK_FOREIGN_KEY',
    `the ZooKeeper node of lock ${JSON.stringify(key)} holds something that is no lock: use another key or another prefix`,
    { key },
  );

export const closed = (): LockError => new LockError('LOCK_CLOSED', 'this ZooKeeper adapter is closed: open a new one');
