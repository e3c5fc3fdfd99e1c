import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { serverFolder } from './folders.ts';
import { localhost } from './ports.ts';

/** The files (PEM) of a server that speaks TLS, in a folder of their own. */
export interface Certificates {
  readonly folder: string;
  /** The authority that signed the certificate of the server. */
  readonly authorityFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** A certificate for 127.0.0.1 from an authority made for this server alone. */
export async function makeCertificates(name: string): Promise<Certificates> {
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
  const server = await generate([{ name: 'commonName', value: name }], {
    keySize: 2048,
    algorithm: 'sha256',
    ca: { key: authority.private, cert: authority.cert },
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: localhost }] }],
  });
  return {
    folder,
    authorityFile: file('authority.pem', authority.cert),
    certificateFile: file('server.pem', server.cert),
    keyFile: file('server.key', server.private),
  };
}
