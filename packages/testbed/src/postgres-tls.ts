import { chownSync } from 'node:fs';
import { makeCertificates } from './certificates.ts';
import { giveAway, nobody, type PostgresServer, startPostgres } from './postgres.ts';

/** A PostgreSQL server that accepts connections with and without TLS on the same port. */
export interface PostgresTlsServer extends PostgresServer {
  /** The file (PEM) of the authority that signed the certificate of the server, for `sslrootcert`. */
  readonly authorityFile: string;
}

/** Starts a PostgreSQL with a certificate for 127.0.0.1 from an authority made for this server alone. */
export async function startPostgresTls(): Promise<PostgresTlsServer> {
  const { folder, authorityFile, certificateFile, keyFile } = await makeCertificates('postgres');
  if (nobody) {
    await giveAway(folder, nobody);
    for (const file of [authorityFile, certificateFile, keyFile]) chownSync(file, nobody.uid, nobody.gid);
  }
  const settings = { ssl: 'on', ssl_cert_file: certificateFile, ssl_key_file: keyFile };
  return Object.assign(await startPostgres({ settings }), { authorityFile });
}
