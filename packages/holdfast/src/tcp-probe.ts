import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type Address, hostAndPort } from './lock-url.ts';

const timeoutMs = 1_000;

/** Why no connection can be made, in the words of the system; `undefined` if the server accepts one. */
export function connectFailure(server: Address): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connectTcp(server);
    const end = (failure?: string): void => {
      socket.destroy();
      resolve(failure);
    };
    socket.setTimeout(timeoutMs, () => end(`no connection to ${hostAndPort(server)} within ${timeoutMs / 1_000} s`));
    socket.once('connect', () => end());
    // A host with several addresses has one error for each.
    socket.on('error', (error) => end(error instanceof AggregateError ? error.errors[0]?.message : error.message));
  });
}

/** Whether the server ends a connection over which nothing was sent. */
export function closesAtOnce(server: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp(server);
    let isUp = false;
    const end = (isClosed: boolean): void => {
      socket.destroy();
      resolve(isClosed);
    };
    socket.setTimeout(timeoutMs, () => end(false));
    socket.once('connect', () => {
      isUp = true;
    });
    socket.once('data', () => end(false));
    socket.once('end', () => end(true));
    socket.on('error', () => end(isUp));
  });
}

/** Sends a text, and returns what comes back until it is enough, the server ends the connection, or time runs out. */
export function exchange(
  server: Address,
  tls: boolean,
  sent: string,
  isEnough: (text: string) => boolean,
): Promise<string> {
  return new Promise((resolve) => {
    // Credentials are sent, so the certificate must be trusted.
    const socket: Socket = tls ? connectTls({ ...server, rejectUnauthorized: true }) : connectTcp(server);
    let received = '';
    const end = (): void => {
      socket.destroy();
      resolve(received);
    };
    const timer = setTimeout(end, timeoutMs);
    socket.once('close', () => {
      clearTimeout(timer);
      end();
    });
    socket.on('error', end);
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      received += text;
      if (isEnough(received) || received.length > 10_000) end();
    });
    socket.write(sent);
  });
}
