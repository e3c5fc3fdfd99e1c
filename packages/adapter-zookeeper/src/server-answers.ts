/** Error codes of ZooKeeper's protocol that mean something to the adapter. */
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
  sessionMoved: -118,
  notReadOnly: -119,
  ephemeralOnLocalSession: -120,
  sessionClosedRequireAuth: -124,
  quotaExceeded: -125,
  throttled: -127,
} as const;

/** What an error code of a ZooKeeper server means. */
export interface AnswerExplanation {
  /** The name that ZooKeeper's documentation uses. */
  readonly name: string;
  /** What it means for a lock, as a sentence without a full stop. */
  readonly meaning: string;
  /** What to do about it. */
  readonly remedy: string;
  /** Whether the same request may succeed later without a change of the configuration. */
  readonly retryable: boolean;
}

const explained: Readonly<Record<number, AnswerExplanation>> = {
  [codes.noAuth]: {
    name: 'NO_AUTH',
    meaning: 'it does not permit this client to use the nodes of the lock',
    remedy: 'Give `auth` the credentials that the nodes ask for, or permit this client in their ACL.',
    retryable: false,
  },
  [codes.authFailed]: {
    name: 'AUTH_FAILED',
    meaning: 'it refused the credentials',
    remedy: 'Check the scheme and the credentials of `auth`.',
    retryable: false,
  },
  [codes.invalidAcl]: {
    name: 'INVALID_ACL',
    meaning: 'it refused the ACL',
    remedy: '"creator" needs an `auth`, and each ID of a list must fit its scheme.',
    retryable: false,
  },
  [codes.ephemeralOnLocalSession]: {
    name: 'EPHEMERAL_ON_LOCAL_SESSION',
    meaning: 'the session is local to one server and may not have ephemeral nodes, which locks are made of',
    remedy: 'Set localSessionsUpgradingEnabled=true, or localSessionsEnabled=false, on every server.',
    retryable: false,
  },
  [codes.sessionClosedRequireAuth]: {
    name: 'SESSION_CLOSED_REQUIRE_SASL_AUTH',
    meaning: 'the server enforces authentication and closed the session',
    remedy:
      'Give `auth` a scheme that enforce.auth.schemes names, such as digest. SASL is not possible with node-zookeeper-client.',
    retryable: false,
  },
  [codes.quotaExceeded]: {
    name: 'QUOTA_EXCEEDED',
    meaning: 'a quota on the nodes of the lock is used up',
    remedy: 'Raise the quota (setquota) of the path, or choose another prefix.',
    retryable: false,
  },
  [codes.throttled]: {
    name: 'THROTTLED_OP',
    meaning: 'the server is overloaded and did not carry out the request',
    remedy: 'Try again later, or raise zookeeper.throttled_op_wait_time.',
    retryable: true,
  },
  [codes.sessionMoved]: {
    name: 'SESSION_MOVED',
    meaning: 'the session has moved to another server',
    remedy: 'Try again.',
    retryable: true,
  },
  [codes.notReadOnly]: {
    name: 'NOT_READONLY',
    meaning: 'the server has lost the majority and is read-only',
    remedy: 'Try again when the ensemble has a leader.',
    retryable: true,
  },
  [codes.badArguments]: {
    name: 'BAD_ARGUMENTS',
    meaning: 'it refused the arguments of the request',
    remedy: 'Look into the log of the server.',
    retryable: true,
  },
};

const otherNames: Readonly<Record<number, string>> = {
  [-1]: 'SYSTEM_ERROR',
  [-2]: 'RUNTIME_INCONSISTENCY',
  [-3]: 'DATA_INCONSISTENCY',
  [-4]: 'CONNECTION_LOSS',
  [-5]: 'MARSHALLING_ERROR',
  [-6]: 'UNIMPLEMENTED',
  [-7]: 'OPERATION_TIMEOUT',
  [-101]: 'NO_NODE',
  [-103]: 'BAD_VERSION',
  [-108]: 'NO_CHILDREN_FOR_EPHEMERALS',
  [-110]: 'NODE_EXISTS',
  [-111]: 'NOT_EMPTY',
  [-112]: 'SESSION_EXPIRED',
  [-122]: 'REQUEST_TIMEOUT',
};

/** Explains an error code from a ZooKeeper server, even if the client library does not know the code. */
export function explainAnswer(code: number): AnswerExplanation {
  return (
    explained[code] ?? {
      name: otherNames[code] ?? 'an unknown code',
      meaning: 'whether the request was carried out is not certain',
      remedy: 'Look into the log of the server.',
      retryable: true,
    }
  );
}
