import { LockError } from '@holdfast/lock-core';

/** Codes of the server's answers, as the library's exceptions carry them. */
export const codes = {
  connectionLoss: -4,
  unimplemented: -6,
  badArguments: -8,
  noNode: -101,
  noAuth: -102,
  noChildrenForEphemerals: -108,
  nodeExists: -110,
  sessionExpired: -112,
  invalidAcl: -114,
  authFailed: -115,
} as const;

/** The call has no answer, and may have been carried out. */
export class Unanswered extends Error {
  override readonly name: string = 'Unanswered';
}

/** The session has ended, and all its nodes with it. */
export class SessionOver extends Error {
  override readonly name: string = 'SessionOver';
  constructor() {
    super('the ZooKeeper session has expired');
  }
}

/** The code of a library's exception; `undefined` for any other error. */
export function codeOf(error: unknown): number | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return error instanceof Error && typeof code === 'number' ? code : undefined;
}

const unansweredCodes: readonly (number | undefined)[] = [codes.connectionLoss, codes.sessionExpired, codes.authFailed];

/** Whether an error is an answer, rather than the lack of one. */
export function isAnswer(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && !unansweredCodes.includes(code);
}

const leaderRefusals: readonly (number | undefined)[] = [
  codes.badArguments,
  codes.noNode,
  codes.noAuth,
  codes.noChildrenForEphemerals,
  codes.nodeExists,
  codes.invalidAcl,
];

/** Whether the leader has refused a write: then it has changed nothing. Other errors may come from a server that is cut off from it. */
export const isLeaderRefusal = (error: unknown): boolean => leaderRefusals.includes(codeOf(error));

/** What a call rejects with: definite where no repetition helps, unknown otherwise. Never carries credentials. */
export function toLockError(error: unknown, key: string): LockError {
  if (error instanceof LockError) return error;
  const name = JSON.stringify(key);
  const cause = error;
  switch (codeOf(error)) {
    case codes.noAuth:
      return new LockError(
        'LOCK_BACKEND',
        `ZooKeeper does not permit lock ${name}: give \`auth\` the credentials that its nodes ask for, or permit us in their ACL`,
        { key, cause, retryable: false },
      );
    case codes.authFailed:
      return new LockError(
        'LOCK_BACKEND',
        `ZooKeeper refused the credentials for lock ${name}: check the scheme and the credentials of \`auth\``,
        { key, cause, retryable: false },
      );
    case codes.invalidAcl:
      return new LockError(
        'LOCK_BACKEND',
        `ZooKeeper refused the ACL of lock ${name}: "creator" needs an \`auth\`, and the ids of a list must fit their schemes`,
        { key, cause, retryable: false },
      );
    case codes.noChildrenForEphemerals:
      return foreignKey(key);
    default: {
      const why = error instanceof Error ? error.message : String(error);
      return new LockError('LOCK_BACKEND', `no certain answer about lock ${name} from ZooKeeper: ${why}`, {
        key,
        cause,
      });
    }
  }
}

export const foreignKey = (key: string): LockError =>
  new LockError(
    'LOCK_FOREIGN_KEY',
    `the ZooKeeper node of lock ${JSON.stringify(key)} holds something that is no lock: use another key or another prefix`,
    { key },
  );

export const closed = (): LockError => new LockError('LOCK_CLOSED', 'this ZooKeeper adapter is closed: open a new one');
