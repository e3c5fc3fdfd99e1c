import { type Address, hostAndPort, type LockUrl, withPorts } from './lock-url.ts';
import { closesAtOnce, connectFailure, exchange } from './tcp-probe.ts';
import { tlsProblems } from './tls-problem.ts';

/** Why a server that answers cannot be used, in words that follow its name. */
export interface Refusal {
  readonly what: string;
  readonly remedy: string;
  /** Whether the same request may soon get a different answer. */
  readonly retryable: boolean;
}

/**
 * Asks the servers of a backend directly why they cannot be used; `undefined` if they refuse nothing or do not answer. Some client
 * libraries retry after any refusal and hide its words, so that a server of the wrong kind looks like one that does not answer.
 */
export async function reasonFromServers(
  servers: readonly Address[],
  wantsTls: boolean,
  url: LockUrl | undefined,
): Promise<Refusal | undefined> {
  const [problems, refusals] = await Promise.all([
    tlsProblems(servers, wantsTls),
    url === undefined ? [] : refusalsOf(url, wantsTls),
  ]);
  return toTell(problems, neededOf(url, problems)) ?? toTell(refusals, neededOf(url, refusals));
}

/** Why the servers cannot be used, however often the request is repeated; `undefined` if enough of them may work. */
export async function refusalByAll(url: LockUrl, tls: boolean): Promise<Refusal | undefined> {
  const refusals = await refusalsOf(url, tls);
  const refusal = toTell(refusals, neededOf(url, refusals));
  return refusal?.retryable === false ? refusal : undefined;
}

/** How many of the servers must work. In a cluster, or with several sentinels, any one of them leads to the others. */
const neededOf = (url: LockUrl | undefined, { length }: readonly unknown[]): number =>
  url?.scheme === 'redlock' ? Math.floor(length / 2) + 1 : 1;

/** The refusal of several servers in one. It is temporary unless too many of them are known to refuse for good. */
function toTell(problems: readonly (Refusal | undefined)[], needed: number): Refusal | undefined {
  const told = problems.find((each) => each?.retryable === false) ?? problems.find((each) => each !== undefined);
  const possible = problems.filter((each) => each?.retryable !== false).length;
  return told && { ...told, retryable: possible >= needed };
}

/** Why no connection to some of the servers can be made, in the words of the system; `undefined` if all of them accept one. */
export async function unreachable(url: LockUrl): Promise<Refusal | undefined> {
  const failures = await Promise.all(serversOf(url).map(connectFailure));
  const reasons = failures.filter((failure) => failure !== undefined);
  if (reasons.length === 0) return undefined;
  const isUnknownHost = reasons.every((reason) => reason.includes('ENOTFOUND'));
  return {
    what: `does not answer: ${reasons.join('; ')}.`,
    remedy: isUnknownHost
      ? 'Check the host name in the lock URL.'
      : 'Check that it is running and that it can be reached from here.',
    retryable: true,
  };
}

const serversOf = (url: LockUrl): readonly Address[] => withPorts(url, questionsFor(url).port);

const questionsFor = (url: LockUrl): { readonly ask: Ask; readonly port: number } =>
  questions[url.scheme] ?? { ask: askRedis, port: isSentinel(url) ? 26_379 : 6_379 };

function refusalsOf(url: LockUrl, tls: boolean): Promise<(Refusal | undefined)[]> {
  const { ask } = questionsFor(url);
  return Promise.all(
    serversOf(url).map(async (server) => {
      const [refusal, isClosed] = await Promise.all([ask(server, url, tls), closesAtOnce(server)]);
      if (refusal !== undefined) {
        return { ...refusal, what: `answers at ${hostAndPort(server)}, but ${refusal.what}` };
      }
      return isClosed ? closing(server) : undefined;
    }),
  );
}

const closing = (server: Address): Refusal => ({
  what: `accepts connections at ${hostAndPort(server)}, and closes them at once.`,
  remedy: 'Check the port, whether the server is ready, and anything in front of it (a proxy, a firewall).',
  retryable: true,
});

type Ask = (server: Address, url: LockUrl, tls: boolean) => Promise<Refusal | undefined>;

const questions: Readonly<Record<string, { readonly ask: Ask; readonly port: number }>> = {
  zookeeper: { ask: (server) => askZookeeper(server), port: 2_181 },
  etcd: { ask: (server, url, tls) => askEtcd(server, url, tls), port: 2_379 },
  postgres: { ask: (server) => askPostgres(server), port: 5_432 },
  postgresql: { ask: (server) => askPostgres(server), port: 5_432 },
};

const isSentinel = ({ scheme }: LockUrl): boolean => scheme.includes('+sentinel');

async function askRedis(server: Address, url: LockUrl, tls: boolean): Promise<Refusal | undefined> {
  const lines = await answers(server, tls, redisQuestions(url));
  const first = lines[0] ?? (await askHttp(server, tls));
  if (first === '') return undefined;
  if (!/^[-+:$*]/.test(first)) return wrongKind('Redis', first);
  if (isSentinel(url)) {
    const unknownMaster = lines.find((line) => /^[*$]-1$|^-(IDONTKNOW|ERR No such master)/i.test(line));
    if (unknownMaster !== undefined) {
      return {
        what: `knows no master named "${url.path.split('/')[0]}".`,
        remedy: 'Write the name that the sentinels use: SENTINEL MASTERS lists them.',
        retryable: false,
      };
    }
  }
  // A user without the right to PING may use the locks all the same.
  const error = lines.find((line) => line.startsWith('-') && !/^-NOPERM .*'ping'/i.test(line))?.slice(1);
  return error === undefined ? undefined : explainRedis(error, url);
}

/** The credentials of a sentinel URL are those of the master. */
function redisQuestions(url: LockUrl): readonly (readonly string[])[] {
  const { username, password, scheme, path } = url;
  const isCluster = scheme.includes('+cluster');
  const login = password === undefined ? [] : [['AUTH', ...(username === undefined ? [] : [username]), password]];
  if (isSentinel(url)) return [['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', path.split('/')[0] ?? '']];
  const database = /^\d+$/.test(path) && path !== '0' ? [['SELECT', path]] : [];
  return [...login, ...(isCluster ? [['CLUSTER', 'SLOTS']] : [['PING']]), ...database];
}

function explainRedis(error: string, url: LockUrl): Refusal {
  const remedies: readonly (readonly [RegExp, string])[] = [
    [/cluster support disabled/i, 'It is not a cluster node: write redis:// or rediss:// without +cluster.'],
    [/unknown command .?SENTINEL/i, 'It is not a sentinel: name the sentinels, or write redis:// for a single server.'],
    [/^NOAUTH/, 'Add the password to the lock URL: redis://user:password@host.'],
    [/^WRONGPASS|invalid (username-)?password/i, 'Check the user and the password in the lock URL.'],
    [/without any password configured|no password is set/i, 'Leave the password out of the lock URL.'],
    [/^NOPERM/, 'Grant the user the permission by ACL SETUSER.'],
    [/DB index is out of range|SELECT is not allowed/i, 'Write a database that the server has.'],
    [/^DENIED/, 'The server is in protected mode: set a password, or bind it to this network.'],
    [/^(LOADING|MASTERDOWN|CLUSTERDOWN|BUSY|MISCONF|TRYAGAIN)/, 'Try again when the server is ready.'],
  ];
  const [, remedy] = remedies.find(([pattern]) => pattern.test(error)) ?? [];
  const retryable = /^(LOADING|MASTERDOWN|CLUSTERDOWN|BUSY|TRYAGAIN)/.test(error);
  return {
    what: `refuses: "${quoted(error)}".`,
    remedy: remedy ?? `Check that ${url.scheme}: is right for it.`,
    retryable,
  };
}

/** An etcd answers on the same port in HTTP; anything else does not know this path. */
async function askEtcd(server: Address, _: LockUrl, tls: boolean): Promise<Refusal | undefined> {
  // Without the header Host: Redis would close the connection silently because of it.
  const answer = await exchange(server, tls, 'GET /version HTTP/1.0\r\n\r\n', (text) => text.includes('etcdserver'));
  if (answer === '' || answer.includes('etcdserver')) return undefined;
  return wrongKind('etcd', answer);
}

/** PostgreSQL answers the first message of a session (here of a user x) with an error, or by asking for a password. */
async function askPostgres(server: Address): Promise<Refusal | undefined> {
  const hello = '\0\0\0\x10\0\x03\0\0user\0x\0\0';
  const answer = (await exchange(server, false, hello, (text) => text !== '')) || (await askHttp(server, false));
  if (answer === '' || /^[RE]\0/.test(answer)) return undefined;
  return wrongKind('PostgreSQL', answer);
}

/** The command `srvr` may be forbidden, but that answer also comes from ZooKeeper. */
async function askZookeeper(server: Address): Promise<Refusal | undefined> {
  const answer =
    (await exchange(server, false, 'srvr\r\n\r\n', (text) => text.includes('\n'))) || (await askHttp(server, false));
  if (answer === '' || /Zookeeper version|whitelist|not currently serving/i.test(answer)) return undefined;
  return wrongKind('ZooKeeper', answer);
}

/** Some HTTP servers, including etcd, answer only HTTP. */
function askHttp(server: Address, tls: boolean): Promise<string> {
  return exchange(server, tls, 'GET / HTTP/1.0\r\n\r\n', (text) => text.includes('\n'));
}

function wrongKind(kind: string, answer: string): Refusal {
  return {
    what: `is not ${kind}: it says "${quoted(answer)}".`,
    remedy: `Name the host and port of ${kind} in the lock URL.`,
    retryable: false,
  };
}

const quoted = (text: string): string =>
  text
    .split(/[\r\n]/)[0]!
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 160);

/** The first line of each reply that arrives, in the order of the commands. */
async function answers(
  server: Address,
  tls: boolean,
  commands: readonly (readonly string[])[],
): Promise<readonly string[]> {
  const lines: string[] = [];
  const sent = commands.map((words) => `*${words.length}\r\n${words.map(bulk).join('')}`).join('');
  const text = await exchange(server, tls, sent, (received) => received.split('\r\n').length > commands.length);
  for (const line of text.split('\r\n')) if (line !== '') lines.push(line);
  return lines;
}

const bulk = (word: string): string => `$${Buffer.byteLength(word)}\r\n${word}\r\n`;
