import type { LockAdapter } from '@holdfast/lock-core';
import { readConfig } from '../../config.ts';
import { type Address, withHosts } from './addresses.ts';

/** Creates a client of the backend that a lock URL names, or of other servers in its place. */
export function openUrl(url: string, at?: readonly Address[]): Promise<LockAdapter> {
  return readConfig(at === undefined ? url : withHosts(url, at)).open();
}

/** The same in a process that the suite starts: the URL is in its environment, because everybody can read its arguments. */
export function openAdapter(
  { variable }: { readonly variable: string },
  at?: readonly Address[],
): Promise<LockAdapter> {
  return openUrl(process.env[variable]!, at);
}
