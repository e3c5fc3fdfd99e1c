import { type Plan, readConfig } from '../../config.ts';
import { type LockUrl, parseLockUrl } from '../../lock-url.ts';
import { locksOptionTable, readParams } from '../../options.ts';
import { schemes } from '../../schemes.ts';

/** What a lock URL contains, for checking its servers directly. */
export interface Target {
  readonly text: string;
  readonly url: LockUrl;
  /** By their names in code, those of the adapter and those of every lock. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Without credentials. */
  readonly address: string;
  /** The servers that may use TLS, and whether they should. */
  readonly tls: Plan['tls'];
}

/** Reads a lock URL. @throws LockError LOCK_INVALID_ARGUMENT as `openLocks` does. */
export function readTarget(text: string): Target {
  const { address, tls } = readConfig(text);
  const url = parseLockUrl(text.trim());
  const options = readParams(url.params, { ...locksOptionTable, ...schemes[url.scheme]!.options }, url.scheme);
  return { text, url, options, address, tls };
}
