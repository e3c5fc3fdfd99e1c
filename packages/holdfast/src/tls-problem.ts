import { connect } from 'node:tls';
import type { Address } from './lock-url.ts';

const patienceMs = 1_000;

/** How a handshake went: `trusted`, why its certificate is not, that the server ended it, or that it came to nothing. */
type Handshake = 'trusted' | 'untrusted' | 'date' | 'name' | 'ended' | 'none';

/** What is wrong, in words that follow the name of the server, and what to do. */
export interface TlsProblem {
  readonly what: string;
  readonly remedy: string;
}

const whenWanted: Partial<Record<Handshake, TlsProblem>> = {
  untrusted: {
    what: 'has a TLS certificate that is not trusted here.',
    remedy:
      'Name the file of its authority in NODE_EXTRA_CA_CERTS before Node starts, or open the client yourself with its option `ca`.',
  },
  date: {
    what: 'has a TLS certificate that has expired or is not valid yet.',
    remedy: 'Renew it, and check the clock of this machine.',
  },
  name: {
    what: 'has a TLS certificate for another host.',
    remedy: 'Write the host in the lock URL as the certificate names it.',
  },
  ended: {
    what: 'does not seem to speak TLS there.',
    remedy: 'Name its TLS port, or leave TLS out of the lock URL.',
  },
};

const speaksTls: TlsProblem = {
  what: 'speaks TLS there.',
  remedy: 'Write rediss:// instead of redis://, or ?tls=true for Redlock and etcd; or name its port without TLS.',
};

/**
 * Whether TLS is why a backend does not answer; `undefined` when it is not, as far as can be seen. The client libraries hide
 * the reason, each in its own way, so this tries a handshake by itself, without credentials.
 */
export async function tlsProblem(servers: readonly Address[], wanted: boolean): Promise<TlsProblem | undefined> {
  const handshakes = await Promise.all(servers.map(shakeHands));
  if (wanted) return handshakes.map((each) => whenWanted[each]).find((problem) => problem !== undefined);
  return handshakes.some((each) => each !== 'none' && each !== 'ended') ? speaksTls : undefined;
}

function shakeHands({ host, port }: Address): Promise<Handshake> {
  return new Promise((resolve) => {
    // Nothing is sent over it, so the certificate may be looked at in peace.
    const socket = connect({ host, port, rejectUnauthorized: false });
    let isUp = false;
    const end = (how: Handshake): void => {
      socket.destroy();
      resolve(how);
    };
    socket.setTimeout(patienceMs, () => end('none'));
    socket.once('connect', () => {
      isUp = true;
    });
    socket.on('error', () => end(isUp ? 'ended' : 'none'));
    socket.once('secureConnect', () =>
      end(socket.authorized ? 'trusted' : verdictOn(String(socket.authorizationError))),
    );
  });
}

function verdictOn(code: string): Handshake {
  if (code.includes('ALTNAME')) return 'name';
  return /EXPIRED|NOT_YET_VALID/.test(code) ? 'date' : 'untrusted';
}
