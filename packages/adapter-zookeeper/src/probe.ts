import { connect } from 'node:net';
import { clearTimeout, setTimeout } from 'node:timers';
import { WrongServer } from './failures.ts';

const silenceMs = 500;
const probeMs = 1_000;

/**
 * Finds out what kind of server is silent. Some, such as Redis, wait for the end of a line, which the handshake of ZooKeeper does
 * not have. A server of ZooKeeper answers a four-letter word, or closes the connection, or is unresponsive.
 * @returns The error once another kind of server has answered; otherwise it never settles before `signal` aborts.
 */
export async function probeSilentServer(server: string, signal: AbortSignal): Promise<WrongServer | undefined> {
  await pause(silenceMs, signal);
  if (signal.aborted) return undefined;
  const said = await ask(server, signal);
  const isOther = said !== '' && !/^(imok|ruok |This ZooKeeper)/.test(said);
  return isOther ? wrongServer(Buffer.from(said, 'latin1')) : undefined;
}

/** Says what a server that is not one of ZooKeeper has answered. */
export function wrongServer(bytes: Buffer): WrongServer {
  const text = bytes.subarray(0, 60).toString('latin1');
  const isTls = bytes.length >= 2 && (bytes[0] === 0x15 || bytes[0] === 0x16) && bytes[1] === 3;
  if (isTls)
    return new WrongServer(
      'answered in TLS, which node-zookeeper-client cannot speak: use the plain-text port (clientPort)',
    );
  const said = /^[\x20-\x7e]{4}/.test(text)
    ? JSON.stringify(/^[\x20-\x7e]*/.exec(text)?.[0])
    : `the bytes ${bytes.subarray(0, 12).toString('hex')}`;
  return new WrongServer(`is not a ZooKeeper server: it answered ${said}. Check the host and the port`);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    timer.unref();
    signal.addEventListener('abort', finish);
    if (signal.aborted) finish();
  });
}

/** Sends a four-letter word, and gives the beginning of the answer. */
function ask(server: string, signal: AbortSignal): Promise<string> {
  const colon = server.lastIndexOf(':');
  return new Promise((resolve) => {
    const socket = connect(Number(server.slice(colon + 1)), server.slice(0, colon));
    const finish = (said: string): void => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(said);
    };
    const onAbort = (): void => finish('');
    signal.addEventListener('abort', onAbort);
    socket.setTimeout(probeMs, onAbort);
    socket.unref();
    socket.once('error', onAbort);
    socket.once('close', onAbort);
    socket.once('data', (data) => finish(data.subarray(0, 60).toString('latin1')));
    socket.write('ruok\r\n');
    if (signal.aborted) onAbort();
  });
}
