import { LockError } from '@holdfast/lock-core';

/** The key holds something that is no lock; nobody may touch it (H25). */
export function foreignKey(name: string, redisKey: string, client: string): LockError {
  return new LockError(
    'LOCK_FOREIGN_KEY',
    `Redis key ${JSON.stringify(redisKey)} (${client}) holds data of another type, not a lock; it was left untouched. ` +
      'Use another name, or another prefix for all locks.',
    { key: name },
  );
}

/** The fence key holds something that no token can be made from: continuing could hand out a token twice (H62). */
export function corruptFence(name: string, redisKey: string, client: string): LockError {
  return new LockError(
    'LOCK_FOREIGN_KEY',
    `Redis key ${JSON.stringify(redisKey)} (${client}) should hold the fencing tokens of this lock but holds something ` +
      'else; it was left untouched and no lock was granted. Find out who writes it, then delete it.',
    { key: name },
  );
}

/** A kind of answer by which Redis, or what stands in its place, refuses a command. */
interface Refusal {
  readonly words: RegExp;
  /** What the server does, where it does not refuse a command. */
  readonly does?: string;
  /** Whether the same command may succeed later without anybody changing the configuration. */
  readonly retryable: boolean;
  readonly remedy: string;
}

// Also how a script reports that its user may not do something, which differs in Redis 6.2, 7.0 and 7.2, and how a long command of an
// unknown user is refused.
const accessWords =
  /^(WRONGPASS|NOAUTH|NOPERM)\b|^(ERR |@user_script:).*(user executing the script|ACL failure in script|unauthenticated (multi)?bulk length)/;

/** Whether a server says by this that the user may not do something. */
export const isAccessRefusal = (words: string): boolean => accessWords.test(words);

const refusals: readonly Refusal[] = [
  {
    does: 'refuses access',
    words: accessWords,
    retryable: false,
    remedy: 'Check the user name, the password, and the ACL rules for the keys, channels and commands of the locks.',
  },
  {
    words: /^ERR (DB index is out of range|invalid DB index)/,
    retryable: false,
    remedy: 'Choose a database that the server has (see its setting "databases").',
  },
  {
    words: /^ERR (SELECT is not allowed in cluster mode|This instance has cluster support disabled)/,
    retryable: false,
    remedy: 'Use a cluster client for a Redis Cluster, with database 0, and a plain client for a single server.',
  },
  {
    words: /^(MOVED|ASK) \d+/,
    retryable: false,
    remedy: 'The server is a node of a Redis Cluster: connect to it with a cluster client.',
  },
  {
    words: /ERR unknown command .?sentinel/i,
    retryable: false,
    remedy: 'The server is not a Redis Sentinel: check the addresses of the sentinels.',
  },
  {
    words: /No such master with that name/,
    retryable: false,
    remedy: 'The sentinels do not watch a master of this name: check the name.',
  },
  {
    words:
      /(^|: )(ERR )?(unknown command|Unknown Redis command|syntax error)|Unknown Redis command called from|ERR Wrong number of args calling Redis command|ERR unknown subcommand/i,
    retryable: false,
    remedy: 'The server is too old or lacks the command: the locks need Redis 6.2, a Cluster Redis 7.0.',
  },
  {
    words: /WRONG_VERSION_NUMBER|wrong version number|packet length too long|EPROTO/,
    retryable: false,
    remedy: 'The server does not speak TLS on this port: use its TLS port, or connect without TLS.',
  },
  {
    does: 'has a certificate that the client does not trust',
    words:
      /self-signed certificate|unable to (verify|get) .*(certificate|CRL)|certificate (has expired|is not yet valid)|does not match certificate/i,
    retryable: false,
    remedy: 'Name the authority that signed its certificate (NODE_EXTRA_CA_CERTS, or the TLS options of the client).',
  },
  {
    words: /Unknown RESP type|Protocol error, got "|Unexpected .*RESP|wrong type of reply/i,
    retryable: false,
    remedy:
      'The answer is not in the protocol of Redis: check the host and the port, and whether the server expects TLS.',
  },
  {
    words: /^WRONGTYPE /,
    retryable: false,
    remedy:
      'Something else was written to the keys that begin with "fence:queue:{" or "fence:places:{", which are for the locks alone: delete those of this lock.',
  },
  {
    words: /READONLY /,
    retryable: true,
    remedy: 'The server is a replica: connect to the primary. After a failover, a new connection finds it.',
  },
  {
    words: /^ERR max number of clients/,
    retryable: true,
    remedy: 'Raise the setting "maxclients" of the server, or close connections that nobody needs.',
  },
  {
    words: /^Connection in subscriber mode|only \(P\|S\)SUBSCRIBE/,
    retryable: false,
    remedy: 'The client is used for subscriptions: pass the locks one that is not.',
  },
  {
    words: /^(LOADING|BUSY|MISCONF|OOM|MASTERDOWN|NOREPLICAS|CLUSTERDOWN|TRYAGAIN)\b|^.*-(MISCONF|OOM|NOREPLICAS) /,
    retryable: true,
    remedy: 'It may accept the command later.',
  },
];

/**
 * Turns a refusal by the server into a `LockError` with the server's words, a remedy, and whether a retry may help. Returns any other
 * error as it is: that means "unknown", and the call may be retried (H130).
 */
export function readable(error: unknown, client: string, name?: string): unknown {
  if (error instanceof LockError) return error;
  const found = refusalIn(error);
  if (found === undefined) return error;
  const { words, refusal } = found;
  const { does = 'refuses the command' } = refusal;
  // The server's words, of which none is a password; the client's error may carry the command, so it is no cause.
  const answer = new LockError(
    'LOCK_BACKEND',
    `Redis (${client}) ${does}: ${words}${words.endsWith('.') ? '' : '.'} ${refusal.remedy}`,
    {
      key: name,
      retryable: refusal.retryable,
    },
  );
  answers.add(answer);
  return answer;
}

const answers = new WeakSet<object>();

/** Whether the server has answered by this, as far as `readable` knows its words: the command is not under way any more. */
export const isAnswer = (error: unknown): boolean => answers.has(error as object);

/**
 * A refusal that came after the client may have sent the command before: that one may have taken effect, so the owner is
 * cleaned up after (H115). Any other error as it is.
 */
export function refusedAgain(error: unknown): unknown {
  if (!(error instanceof LockError) || error.retryable) return error;
  const { code, message, key } = error;
  return new LockError(code, message, { key, retryable: false, notSent: false });
}

/**
 * What is left of a redirection that a cluster client followed until it gave up. Nothing was done, and the cluster will agree on
 * the slot; the words of the server would mean a wrong kind of client.
 */
export function stillMoving(error: unknown): unknown {
  if (!isRedirection(error) && !isRedirection((error as { cause?: unknown }).cause)) return error;
  return new Error('The nodes of the cluster do not agree yet on where the slot of the key is');
}

/** Whether a node says that another one has the slot. */
export function isRedirection(error: unknown): error is Error {
  return error instanceof Error && /^(MOVED|ASK) \d+/.test(error.message);
}

/** Whether the server says that the command may go through when the slot has been moved: nothing was done (TRYAGAIN). */
export function isTryAgain(error: unknown): boolean {
  return error instanceof Error && /\bTRYAGAIN\b/.test(error.message);
}

/** Redis answered, and did nothing: the slot of the key is being moved to another node. */
export function slotMoving(client: string, name: string): LockError {
  const what = `lock ${JSON.stringify(name)} cannot be acquired from ${client} while Redis Cluster moves its slot to another node`;
  return new LockError('LOCK_BACKEND', `${what}: try again when it has been moved`, { key: name, notSent: true });
}

/** Whether the server does not know a command or an option that the scripts use. */
export function isTooOld(error: unknown): boolean {
  return error instanceof LockError && error.message.includes('too old or lacks');
}

/** What a server says of itself; `undefined` when it does not say. */
export interface ServerKind {
  readonly version: string | undefined;
  readonly mode: string | undefined;
}

/** The server does not know what the scripts need: it is too old, or a sentinel. */
export function wrongServer(error: LockError, { version, mode }: ServerKind, client: string): LockError {
  if (mode === 'sentinel') {
    const what = `Redis (${client}) is a Redis Sentinel, which keeps no data`;
    const remedy = 'connect to the master that it watches, through a client that is given the sentinels';
    return new LockError('LOCK_BACKEND', `${what}: ${remedy}.`, { key: error.key, retryable: false });
  }
  if (version === undefined) return error;
  return new LockError('LOCK_UNSUPPORTED', `Redis ${version} (${client}): ${error.message}`, {
    key: error.key,
    retryable: false,
  });
}

// What ioredis says before the words of a sentinel that refused, as if none had answered.
const clientsWords = /^All sentinels are unreachable.* Last error: /;

function refusalIn(error: unknown, depth = 0): { words: string; refusal: Refusal } | undefined {
  if (!(error instanceof Error) || depth > 5) return undefined;
  const { message } = error;
  const refusal = refusals.find(({ words }) => words.test(message));
  if (refusal !== undefined)
    return { words: message.split('\n', 1)[0]!.replace(clientsWords, '').slice(0, 300), refusal };
  // How an ioredis Cluster that could reach no node, and how node-redis, say why.
  const { lastNodeError, cause, originalError, errors } = error as {
    lastNodeError?: unknown;
    cause?: unknown;
    originalError?: unknown;
    errors?: unknown;
  };
  const inner = [lastNodeError, cause, originalError, ...(Array.isArray(errors) ? errors : [])];
  for (const each of inner) {
    const found = refusalIn(each, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The client has no connection. `notSent` tells lock-core that there is nothing to clean up (H116). */
export function notConnected(client: string, name?: string, reason?: unknown): LockError {
  const because = reason instanceof Error && !(reason instanceof LockError) ? ` (${reason.message})` : '';
  return new LockError(
    'LOCK_BACKEND',
    `The ${client} client has no connection to Redis at the moment${because}, and nothing was sent. ` +
      'Check that the server is up and reachable.',
    { key: name, notSent: true },
  );
}

/** Too many commands are without an answer: more of them would only grow the client's queue (H116). */
export function notAnswering(client: string, unanswered: number, name?: string): LockError {
  return new LockError(
    'LOCK_BACKEND',
    `Redis (${client}) does not answer: ${unanswered} commands are waiting, so no more are sent. ` +
      'Check that the server is up and reachable.',
    { key: name, notSent: true },
  );
}

/** Whether nothing was sent for a call that failed with this error. */
export function wasNotSent(error: unknown): boolean {
  return (error as { notSent?: unknown } | undefined)?.notSent === true;
}

/** The error of a later step of a call. Its first step was sent, so "not sent" would be untrue of the whole. */
export function afterSending(error: unknown, what: string, client: string, name?: string): unknown {
  return wasNotSent(error) ? unknownOutcome(what, client, name) : error;
}

/** The connection broke, or was replaced, between a command and what depends on it. */
export function unknownOutcome(what: string, client: string, name?: string): LockError {
  return new LockError(
    'LOCK_BACKEND',
    `The connection to Redis (${client}) broke while ${what}; the outcome is unknown.`,
    { key: name },
  );
}
