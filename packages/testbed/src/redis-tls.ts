import { makeCertificates } from './certificates.ts';
import { withFreePorts } from './ports.ts';
import { type RedisServer, startRedisOn } from './redis.ts';
import { masterName, startSentinel as startWatching } from './redis-sentinel.ts';

/** A redis-server that speaks TLS, on a port of its own beside the plain one of `command`. */
export interface RedisTlsServer extends RedisServer {
  readonly tlsPort: number;
  /** The file (PEM) of the authority that signed the certificate of the server, for `NODE_EXTRA_CA_CERTS`. */
  readonly authorityFile: string;
  /** Starts a sentinel with the same certificate, which watches the TLS port of this server and speaks TLS on a port of its own. */
  startSentinel(): Promise<RedisServer & { readonly tlsPort: number; readonly masterName: string }>;
}

/** Starts a redis-server with a certificate for 127.0.0.1 from an authority made for this server alone. */
export async function startRedisTls(options: { password?: string } = {}): Promise<RedisTlsServer> {
  const { authorityFile, certificateFile, keyFile } = await makeCertificates('redis');
  const files = [
    ...['--tls-cert-file', certificateFile, '--tls-key-file', keyFile],
    ...['--tls-ca-cert-file', authorityFile, '--tls-auth-clients', 'no'],
  ];
  return withFreePorts(2, async ([port, tlsPort]) => {
    const started = await startRedisOn({ ...options, port: port!, args: ['--tls-port', String(tlsPort), ...files] });
    const startSentinel = (): ReturnType<RedisTlsServer['startSentinel']> =>
      withFreePorts(2, async ([plain, secure]) => {
        const lines = files.flatMap((word, i) => (word.startsWith('--') ? [`${word.slice(2)} ${files[i + 1]}`] : []));
        const more = [...lines, `tls-port ${secure}`, 'tls-replication yes'];
        const sentinel = await startWatching(plain!, { port: tlsPort! }, undefined, more);
        return Object.assign(sentinel, { tlsPort: secure!, masterName });
      });
    return Object.assign(started, { tlsPort: tlsPort!, authorityFile, startSentinel });
  });
}
