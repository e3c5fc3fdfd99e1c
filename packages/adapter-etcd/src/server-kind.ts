import * as net from 'node:net';
import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
import * as nodeTls from 'node:tls';
import type { LockError } from '@holdfast/lock-core';
import { connectionRefused, unusable } from './errors.ts';

const withinMs = 500;
const validForMs = 1_000;
const http2Preface = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]), // an empty SETTINGS frame
]);

/**
 * Finds out why no connection to a member can be made; `undefined` if one may succeed later. To gRPC, TLS against plain text looks like a
 * lost connection, so the server is asked in the other way. Calls that fail within a second share the answer.
 */
export function createDiagnosis(host: string, secure: boolean): (error: unknown) => Promise<LockError | undefined> {
  let looking: Promise<LockError | undefined> | undefined;
  let lookedAt = Number.NEGATIVE_INFINITY;

  async function look(): Promise<LockError | undefined> {
    const address = addressOf(host);
    if (address === undefined) return undefined;
    if (secure) {
      if (!(await speaksPlainHttp2(address))) return undefined;
      return unusable(host, 'the server does not use TLS', 'Check the port, or connect without TLS.');
    }
    if (!(await speaksTls(address))) return undefined;
    return unusable(host, 'the server uses TLS', 'Connect with TLS: the option tls, or https:// before the host.');
  }

  return (error) => {
    const refused = connectionRefused(error, host);
    if (refused !== undefined) return Promise.resolve(refused);
    const closedAtOnce = /Failed to connect|disconnected before secure TLS|ECONNRESET|socket hang up/;
    if (!(error instanceof Error && closedAtOnce.test(error.message))) return Promise.resolve(undefined);
    if (looking === undefined || performance.now() > lookedAt + validForMs) {
      lookedAt = performance.now();
      looking = look();
    }
    return looking;
  };
}

interface Address {
  readonly host: string;
  readonly port: number;
}

function addressOf(host: string): Address | undefined {
  const [, name, port] = /^\[?([^\]]*)\]?:(\d+)$/.exec(host) ?? [];
  return name === undefined ? undefined : { host: name, port: Number(port) };
}

function speaksTls(address: Address): Promise<boolean> {
  return firstAnswer((done) => {
    // Nothing is sent to this server, so it need not prove who it is.
    const socket = nodeTls.connect({ ...address, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    socket.once('secureConnect', () => done(true));
    return socket;
  });
}

function speaksPlainHttp2(address: Address): Promise<boolean> {
  return firstAnswer((done) => {
    const socket = net.connect(address, () => socket.write(http2Preface));
    // The fourth byte of a frame is its type; every HTTP/2 server begins with SETTINGS.
    socket.once('data', (data) => done(data.length >= 9 && data[3] === 4));
    return socket;
  });
}

function firstAnswer(open: (done: (answer: boolean) => void) => net.Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (answer: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => done(false), withinMs).unref();
    const socket = open(done);
    socket.unref();
    socket.on('error', () => done(false));
    socket.on('close', () => done(false));
  });
}
