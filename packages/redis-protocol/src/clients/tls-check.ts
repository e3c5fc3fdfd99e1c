import { connect as connectTcp } from 'node:net';
import { performance } from 'node:perf_hooks';
import { connect as connectTls } from 'node:tls';
import { LockError } from '@holdfast/lock-core';

/** Where a client connects to, and whether it speaks TLS there. */
export interface ClientServers {
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly tls: boolean;
}

type Check = () => Promise<LockError | undefined>;

const checks = new WeakMap<object, Check>();

// A server that answers at all answers within this time.
const answerMs = 500;
// An outage has many attempts, and one connection is enough to tell them all.
const checkAgainMs = 2_000;

const { setTimeout: startTimer } = globalThis;

/**
 * Registers where a client that we opened connects to. While the client cannot connect, the servers are tried with the opposite TLS
 * setting, since a wrong setting would otherwise look like an outage (H130): a server without TLS takes a TLS handshake for an
 * incomplete command and waits, and a server with TLS closes a connection without TLS silently.
 */
export function checkTlsOf(client: object, name: string, { nodes, tls }: ClientServers): void {
  let last: { at: number; result: Promise<LockError | undefined> } | undefined;
  checks.set(client, () => {
    const now = performance.now();
    if (last === undefined || now - last.at > checkAgainMs) {
      const askedAll = Promise.all(nodes.map((node) => otherWayRound(node, tls, name)));
      last = { at: now, result: askedAll.then((found) => (found.includes(undefined) ? undefined : found[0])) };
    }
    return last.result;
  });
}

/** Has `other` checked as `client` is: it stands for that client where connections are waited for. */
export function shareTlsCheck(client: object, other: object): void {
  const check = checks.get(client);
  if (check !== undefined) checks.set(other, check);
}

/** The check of a client, `undefined` of one that is not ours. */
export const tlsCheckOf = (client: object): Check | undefined => checks.get(client);

function otherWayRound(
  { host, port }: ClientServers['nodes'][number],
  tls: boolean,
  name: string,
): Promise<LockError | undefined> {
  return new Promise((resolve) => {
    const socket = tls ? connectTcp({ host, port }) : connectTls({ host, port, rejectUnauthorized: false });
    const end = (words?: string) => {
      socket.destroy();
      if (words === undefined) return resolve(undefined);
      const message = `Redis (${name}) at ${host}:${port} ${words}`;
      resolve(new LockError('LOCK_BACKEND', message, { retryable: false }));
    };
    startTimer(end, answerMs).unref();
    socket.on('error', () => end());
    socket.on('close', () => end());
    if (!tls)
      socket.on('secureConnect', () =>
        end('expects TLS, and the client does not use it. Connect with TLS (rediss://).'),
      );
    else {
      socket.on('connect', () => socket.write('PING\r\n'));
      socket.on('data', (data) => {
        const line = /^[+-][^\r\n]{0,100}/.exec(data.toString('latin1'))?.[0];
        const remedy = 'Use the TLS port of the server, or connect without TLS (redis://).';
        end(line && `answers without TLS ("${line}"), and the client uses it. ${remedy}`);
      });
    }
  });
}
