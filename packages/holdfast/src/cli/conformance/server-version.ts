import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type LockUrl, parseLockUrl } from '../../lock-url.ts';
import type { Address } from './addresses.ts';

const patienceMs = 2_000;

/** Name and version of the server behind a lock URL, for a report; `undefined` when it does not tell. */
export async function serverVersion(url: string, servers: readonly Address[]): Promise<string | undefined> {
  const parts = parseLockUrl(url);
  const [server] = servers;
  if (server === undefined) return undefined;
  try {
    if (parts.scheme === 'etcd') return await etcd(server, parts.params.get('tls') === 'true');
    if (parts.scheme === 'zookeeper') {
      const [, version] = /^Zookeeper version: ([\d.]+)/m.exec(await ask(server, 'srvr', false)) ?? [];
      return version && `ZooKeeper ${version}`;
    }
    return await redis(server, parts);
  } catch {
    return undefined;
  }
}

async function etcd({ host, port }: Address, tls: boolean): Promise<string> {
  const response = await fetch(`${tls ? 'https' : 'http'}://${host}:${port}/version`, {
    signal: AbortSignal.timeout(patienceMs),
  });
  const { etcdserver } = (await response.json()) as { etcdserver: string };
  return `etcd ${etcdserver}`;
}

async function redis(server: Address, { scheme, username, password, params }: LockUrl): Promise<string | undefined> {
  const auth = password === undefined ? [] : [['AUTH', ...(username === undefined ? [] : [username]), password]];
  const commands = [...auth, ['INFO', 'server'], ['QUIT']].map(encode).join('');
  const tls = scheme.startsWith('rediss') || params.get('tls') === 'true';
  const [, version] = /redis_version:([\d.]+)/.exec(await ask(server, commands, tls)) ?? [];
  return version && `redis-server ${version}`;
}

/** A command in the protocol of Redis. */
function encode(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}

/** Sends a text over a connection of its own, and gives all that the server says until it ends the connection. */
function ask({ host, port }: Address, text: string, tls: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = tls ? connectTls({ host, port, servername: host }) : connect({ host, port });
    let answer = '';
    socket.setEncoding('utf8');
    // A sentinel knows no QUIT.
    socket.setTimeout(patienceMs, () => socket.destroy());
    socket.once(tls ? 'secureConnect' : 'connect', () => socket.write(text));
    socket.on('data', (part) => {
      answer += part;
    });
    socket.once('error', reject);
    socket.once('close', () => resolve(answer));
  });
}
