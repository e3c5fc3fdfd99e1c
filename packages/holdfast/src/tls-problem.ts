import { connect } from 'node:tls';
import { type Address, hostAndPort } from './lock-url.ts';

const patienceMs = 1_000;

/** The outcome of a handshake: `trusted`, why its certificate is not, an answer that was not TLS, an end by the server, or no result. */
type Handshake = 'trusted' | 'untrusted' | 'date' | 'name' | 'plain' | 'ended' | 'none';

/** What is wrong, in words that follow the name of the server, and what to do. */
export interface TlsProblem {
  readonly what: string;
  readonly remedy: string;
  /** Whether it may go away by itself. */
  readonly retryable: boolean;
}

const plain = {
  what: 'does not seem to speak TLS there.',
  remedy: 'Name its TLS port, or leave TLS out of the lock URL.',
};

const whenWanted: Partial<Record<Handshake, TlsProblem>> = {
  untrusted: {
    what: 'has a TLS certificate that is not trusted here.',
    remedy:
      'Name the file of its authority in NODE_EXTRA_CA_CERTS before Node starts, or open the client yourself with its option `ca`.',
    retryable: false,
  },
  date: {
    what: 'has a TLS certificate that has expired or is not valid yet.',
    remedy: 'Renew it, and check the clock of this machine.',
    retryable: false,
  },
  name: {
    what: 'has a TLS certificate for another host.',
    remedy: 'Write the host in the lock URL as the certificate names it.',
    retryable: false,
  },
  plain: { ...plain, retryable: false },
  // Or the server is just restarting.
  ended: { ...plain, retryable: true },
};

const speaksTls: TlsProblem = {
  what: 'speaks TLS there.',
  remedy: 'Write rediss:// instead of redis://, or ?tls=true for Redlock and etcd; or name its port without TLS.',
  retryable: false,
};

/**
 * For each server, whether TLS is the reason why it does not answer; `undefined` if nothing suggests that. Each client library hides the
 * reason in its own way, so this tries a handshake by itself, without credentials.
 */
export function tlsProblems(servers: readonly Address[], wanted: boolean): Promise<(TlsProblem | undefined)[]> {
  return Promise.all(
    servers.map(async (server) => {
      const handshake = await shakeHands(server);
      const speaks = handshake !== 'none' && handshake !== 'ended' && handshake !== 'plain';
      const problem = wanted ? whenWanted[handshake] : speaks ? speaksTls : undefined;
      if (problem === undefined || servers.length === 1) return problem;
      return { ...problem, what: problem.what.replace(/\.$/, `: the server ${hostAndPort(server)}.`) };
    }),
  );
}

function shakeHands({ host, port }: Address): Promise<Handshake> {
  return new Promise((resolve) => {
    // Nothing is sent over it, so an untrusted certificate does no harm.
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
    socket.on('error', ({ message }) => {
      const isPlain = /wrong version number|packet length too long/i.test(message);
      end(!isUp ? 'none' : isPlain ? 'plain' : 'ended');
    });
    socket.once('secureConnect', () =>
      end(socket.authorized ? 'trusted' : verdictOn(String(socket.authorizationError))),
    );
  });
}

function verdictOn(code: string): Handshake {
  if (code.includes('ALTNAME')) return 'name';
  return /EXPIRED|NOT_YET_VALID/.test(code) ? 'date' : 'untrusted';
}
