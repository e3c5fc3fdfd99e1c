import { createHash } from 'node:crypto';
import type { Machine } from '../../engine/machine.ts';
import type { Connection } from '../../engine/network.ts';
import { type ByteConnection, sendBytes } from '../../engine/socket.ts';
import { type DataTerms, dataCommands, runDataCommand } from './commands.ts';
import { createLuaScripts, type LuaScripts } from './lua.ts';
import { createReplica, type Replica } from './replica.ts';
import { createCommandParser, encodeReply, Push, Refusal, type Reply } from './replies.ts';
import { type SessionTerms, sessionCommands } from './sessions.ts';
import { createStore, type Store } from './store.ts';

/** What the server knows of one connection. */
export interface Session {
  readonly id: number;
  protocol: 2 | 3;
  readonly channels: Set<string>;
  /** How many writes there were when this connection last wrote. */
  writes: number;
  /** Commands that wait for the end of one that takes time. */
  isBlocked: boolean;
  readonly queued: string[][];
  send(reply: Reply): void;
}

/** One Redis server: data, scripts, channels, replicas. */
export interface RedisServer {
  readonly machine: Machine;
  readonly store: Store;
  readonly sessions: ReadonlySet<Session>;
  readonly replicas: readonly Replica[];
  /** What it answers to every write, where it refuses them. */
  refusal: { readonly to: 'writes' | 'everything'; readonly message: string } | undefined;
  accept(connection: Connection): void;
  /** Runs one command as a client without a connection would. */
  run(args: readonly string[], session?: Session): Reply | undefined;
  flushScripts(): void;
  /** Starts again with other data, as after a crash or a failover. */
  restart(data: ReadonlyMap<string, import('./store.ts').Entry>): void;
}

let interpreter: LuaScripts | undefined;

const sha = (source: string): string => createHash('sha1').update(source, 'latin1').digest('hex');

export function createRedisServer(machine: Machine, replicaCount: number, lagMs: () => number): RedisServer {
  const sessions = new Set<Session>();
  const scripts = new Map<string, string>();
  let writes = 0;
  let runId = machine.random
    .int(0, 2 ** 31)
    .toString(16)
    .padStart(40, 'a');
  interpreter ??= createLuaScripts();
  const lua = interpreter;
  const replicas = Array.from({ length: replicaCount }, () => createReplica(machine.world, lagMs));
  const store = createStore(machine.wallNow, (key, entry) => {
    writes += 1;
    for (const replica of replicas) replica.apply(key, entry, writes);
  });
  const subscribers = (channel: string): Session[] => [...sessions].filter(({ channels }) => channels.has(channel));
  const terms: DataTerms = {
    store,
    subscribers: (channel) => subscribers(channel).length,
    publish(channel, message) {
      const all = subscribers(channel);
      for (const session of all) session.send(new Push(['message', channel, message]));
      return all.length;
    },
  };

  const refused = (name: string): Refusal | undefined => {
    const { refusal } = server;
    if (refusal === undefined) return undefined;
    const isRefused = refusal.to === 'everything' ? dataCommands[name] !== undefined : dataCommands[name]?.writes;
    return isRefused ? new Refusal(refusal.message) : undefined;
  };

  function runData(name: string, args: readonly string[], session: Session | undefined): Reply | undefined {
    const reply = refused(name) ?? runDataCommand(name, args, terms);
    if (session !== undefined && dataCommands[name]?.writes) session.writes = writes;
    return reply;
  }

  function runScript(name: string, args: readonly string[], session: Session | undefined): Reply {
    const [first, count, ...rest] = args;
    if (first === undefined || count === undefined)
      return new Refusal(`ERR wrong number of arguments for '${name.toLowerCase()}' command`);
    const keyCount = Number(count);
    if (!Number.isSafeInteger(keyCount)) return new Refusal('ERR value is not an integer or out of range');
    if (keyCount > rest.length) return new Refusal("ERR Number of keys can't be greater than number of args");
    if (keyCount < 0) return new Refusal("ERR Number of keys can't be negative");
    const source = name === 'EVAL' ? first : scripts.get(first.toLowerCase());
    if (source === undefined) return new Refusal('NOSCRIPT No matching script. Please use EVAL.');
    if (name === 'EVAL') scripts.set(sha(source), source);
    return lua.run(source, rest.slice(0, keyCount), rest.slice(keyCount), ([word = '', ...words]) => {
      const reply = runData(word.toUpperCase(), words, session);
      return reply === undefined ? new Refusal('ERR Unknown Redis command called from script') : reply;
    });
  }

  const sessionTerms: SessionTerms = {
    scripts,
    info: () =>
      `# Server\r\nredis_version:7.0.15\r\nrun_id:${runId}\r\nserver_time_usec:${store.micros()}\r\nloading:0\r\nrole:master\r\n`,
    waitFor(session, count, timeoutMs, done) {
      const target = session.writes;
      const acknowledged = (): number => replicas.filter((replica) => replica.applied >= target).length;
      if (acknowledged() >= count) return done(acknowledged());
      session.isBlocked = true;
      const endsAt = timeoutMs === 0 ? Number.POSITIVE_INFINITY : machine.world.now + timeoutMs;
      const look = (): void => {
        if (acknowledged() < count && machine.world.now < endsAt)
          return void machine.world.after(1, () => machine.receive(look));
        session.isBlocked = false;
        done(acknowledged());
        for (const args of session.queued.splice(0)) serve(session, args);
      };
      look();
    },
  };

  function run(args: readonly string[], session?: Session): Reply | undefined {
    const name = args[0]!.toUpperCase();
    const words = args.slice(1);
    const reply = runData(name, words, session);
    if (reply !== undefined) return reply;
    if (name === 'EVAL' || name === 'EVALSHA') return runScript(name, words, session);
    const command = sessionCommands[name];
    if (command !== undefined) return command(words, session, sessionTerms);
    const shown = words.slice(0, 3).map((word) => `'${word}' `);
    return new Refusal(`ERR unknown command '${args[0]}', with args beginning with: ${shown.join('')}`);
  }

  function serve(session: Session, args: string[]): void {
    if (session.isBlocked) return void session.queued.push(args);
    const reply = run(args, session);
    if (reply !== undefined) session.send(reply);
  }

  function accept(connection: Connection): void {
    const session: Session = {
      id: connection.id,
      protocol: 2,
      channels: new Set(),
      writes: 0,
      isBlocked: false,
      queued: [],
      send(reply) {
        if (connection.isOpen) sendBytes(connection, Buffer.from(encodeReply(reply, session.protocol), 'latin1'));
      },
    };
    sessions.add(session);
    connection.onEnd('server', () => {
      sessions.delete(session);
      connection.close('server');
    });
    const parse = createCommandParser((args) => serve(session, args));
    (connection as ByteConnection).bytes = { onData: parse, onEnd() {} };
  }

  const server: RedisServer = {
    machine,
    store,
    sessions,
    replicas,
    refusal: undefined,
    accept,
    run,
    flushScripts: () => scripts.clear(),
    restart(data) {
      store.restore(data);
      scripts.clear();
      runId = machine.random
        .int(0, 2 ** 31)
        .toString(16)
        .padStart(40, 'b');
      for (const replica of replicas) replica.resync(store.copy(), writes);
    },
  };
  return server;
}
