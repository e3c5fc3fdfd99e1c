import { type Plan, readConfig } from '../../config.ts';
import { type LockUrl, parseLockUrl } from '../../lock-url.ts';
import { locksOptionTable, readParams } from '../../options.ts';
import { schemes } from '../../schemes.ts';

/** What a lock URL says, for looking at its servers directly. */
export interface Target {
  readonly text: string;
  readonly url: LockUrl;
  /** By their names in code, those of the adapter and those of every lock. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Without credentials. */
  readonly address: string;
  /** Which of its servers may speak TLS, and whether they are to. */
  readonly tls: Plan['tls'];
}

/** Reads a lock URL. @throws LockError LOCK_INVALID_ARGUMENT as `openLocks` does. */
export function readTarget(text: string): Target {
  const { address, tls } = readConfig(text);
  const url = parseLockUrl(text.trim());
  const options = readParams(url.params, { ...locksOptionTable, ...schemes[url.scheme]!.options }, url.scheme);
  return { text, url, options, address, tls };
}
