import type { LockAdapter } from '@holdfast/lock-core';
import { postgresAdapter } from '../src/index.ts';

interface Address {
  readonly host: string;
  readonly port: number;
}

/** How the processes that the conformance suite starts make a client: of the server, or of the proxy before it. */
export function openAdapter(server: Address, [at = server]: readonly Address[] = []): LockAdapter {
  return postgresAdapter({ url: `postgres://postgres@${at.host}:${at.port}/postgres`, callTimeoutMs: 5_000 });
}
