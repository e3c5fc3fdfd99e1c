import { createHash } from 'node:crypto';
import { ok, Pairs, Push, Refusal, type Reply, Status } from './replies.ts';
import type { Session } from './server.ts';

/** What commands about a connection, or about the server as a whole, need. */
export interface SessionTerms {
  readonly scripts: Map<string, string>;
  info(): string;
  waitFor(session: Session, count: number, timeoutMs: number, done: (count: number) => void): void;
}

type SessionCommand = (args: readonly string[], session: Session | undefined, terms: SessionTerms) => Reply | undefined;

/** Answers each channel by a message of its own; the reply itself is none. */
function change(word: 'subscribe' | 'unsubscribe', sharded: boolean): SessionCommand {
  return (args, session) => {
    if (session === undefined) return new Refusal('ERR no connection');
    const channels = args.length > 0 ? args : [...session.channels];
    for (const channel of channels) {
      if (word === 'subscribe') session.channels.add(channel);
      else session.channels.delete(channel);
      session.send(new Push([`${sharded ? 's' : ''}${word}`, channel, session.channels.size]));
    }
    if (channels.length === 0) session.send(new Push([word, null, 0]));
    return undefined;
  };
}

function hello([version]: readonly string[], session: Session | undefined): Reply {
  if (version !== undefined && version !== '2' && version !== '3')
    return new Refusal('NOPROTO unsupported protocol version');
  if (session !== undefined && version !== undefined) session.protocol = Number(version) as 2 | 3;
  return new Pairs([
    'server',
    'redis',
    'version',
    '7.0.15',
    'proto',
    Number(version ?? 2),
    'id',
    session?.id ?? 0,
    'mode',
    'standalone',
    'role',
    'master',
    'modules',
    [],
  ]);
}

function script(
  [word = '', ...rest]: readonly string[],
  _session: Session | undefined,
  { scripts }: SessionTerms,
): Reply {
  switch (word.toUpperCase()) {
    case 'LOAD': {
      const sha = createHash('sha1').update(rest[0]!, 'latin1').digest('hex');
      scripts.set(sha, rest[0]!);
      return sha;
    }
    case 'FLUSH':
      scripts.clear();
      return ok;
    case 'EXISTS':
      return rest.map((sha) => Number(scripts.has(sha)));
    default:
      return new Refusal(`ERR unknown subcommand '${word}'. Try SCRIPT HELP.`);
  }
}

function wait(
  [count, timeoutMs]: readonly string[],
  session: Session | undefined,
  terms: SessionTerms,
): Reply | undefined {
  if (session === undefined) return 0;
  terms.waitFor(session, Number(count), Number(timeoutMs), (number) => session.send(number));
  return undefined;
}

/** The other commands that the adapters and the clients send. */
export const sessionCommands: Readonly<Record<string, SessionCommand>> = {
  PING: ([text], session) => {
    if (session?.protocol === 2 && session.channels.size > 0) return ['pong', text ?? ''];
    return text ?? new Status('PONG');
  },
  ECHO: ([text]) => text!,
  HELLO: hello,
  AUTH: () => ok,
  CLIENT: ([word = ''], session) => (word.toUpperCase() === 'ID' ? (session?.id ?? 0) : ok),
  SELECT: () => ok,
  INFO: (_args, _session, { info }) => info(),
  CONFIG: ([word, name]) =>
    word?.toUpperCase() === 'GET' ? new Pairs([name!, name === 'maxmemory-policy' ? 'noeviction' : '']) : ok,
  ROLE: () => ['master', 0, []],
  READONLY: () => ok,
  QUIT: () => ok,
  SCRIPT: script,
  WAIT: wait,
  SUBSCRIBE: change('subscribe', false),
  UNSUBSCRIBE: change('unsubscribe', false),
  SSUBSCRIBE: change('subscribe', true),
  SUNSUBSCRIBE: change('unsubscribe', true),
};
