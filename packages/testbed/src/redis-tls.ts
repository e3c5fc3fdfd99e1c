import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { serverFolder } from './folders.ts';
import { localhost, withFreePorts } from './ports.ts';
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
  const folder = serverFolder('certificates');
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const authority = await generate([{ name: 'commonName', value: 'Testbed authority' }], {
    keySize: 2048,
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true },
    ],
  });
  const server = await generate([{ name: 'commonName', value: 'redis' }], {
    keySize: 2048,
    algorithm: 'sha256',
    ca: { key: authority.private, cert: authority.cert },
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: localhost }] }],
  });
  const authorityFile = file('authority.pem', authority.cert);
  const files = [
    ...['--tls-cert-file', file('server.pem', server.cert), '--tls-key-file', file('server.key', server.private)],
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
