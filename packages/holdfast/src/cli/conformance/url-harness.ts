import type { Harness, Timing } from '@holdfast/conformance';
import type { Capabilities } from '@holdfast/lock-core';
import { schemeOf } from '../../lock-url.ts';
import { openLocks } from '../../open-locks.ts';
import { addressesOf, whyNoProxy } from './addresses.ts';
import { deleteTokens, noteKeys } from './delete-tokens.ts';
import { openUrl } from './open-adapter.ts';
import { packageVersions } from './package-versions.ts';
import { serverVersion } from './server-version.ts';

const here = import.meta.url;
/** The module for processes that the suite starts: beside this one in the sources, or at its place in `dist`. */
const moduleForProcesses = here.endsWith('.ts')
  ? new URL('./open-adapter.ts', here)
  : new URL('./dist/cli/conformance/open-adapter.js', import.meta.resolve('holdfast/package.json'));

let urls = 0;

/** How long to keep trying an unreachable backend; a person is waiting. */
const backendTimeoutMs = 5_000;

/**
 * A harness for the backend that a lock URL names. The suite checks what the backend declares.
 * @throws what `openLocks` throws: a wrong URL, a package that is not installed, a backend that does not answer
 */
export async function urlHarness(url: string): Promise<Harness & AsyncDisposable> {
  const { name, capabilities, canForce } = await look(url);
  const scheme = schemeOf(url)!;
  const servers = scheme === 'memory' ? [] : addressesOf(url);
  const variable = `HOLDFAST_CONFORMANCE_URL_${++urls}`;
  process.env[variable] = url;
  const noted = new Set<string>();
  return {
    name: scheme === name ? name : `${name}, ${scheme}`,
    adapter: async (at) => noteKeys(await openUrl(url, at), noted),
    [Symbol.asyncDispose]: () => deleteTokens(url, noted),
    capabilities,
    timing: timingFor(scheme, capabilities),
    process: () => ({ module: moduleForProcesses, options: { variable } }),
    hooks: canForce ? { revoke: (key) => revoke(url, key) } : {},
    versions: async () => ({ ...packageVersions(name), server: await serverVersion(url) }),
    ...(whyNoProxy(url) === undefined && { servers: () => servers }),
  };
}

async function look(url: string): Promise<{ name: string; capabilities: Capabilities; canForce: boolean }> {
  await using locks = await openLocks(url, { backendTimeoutMs });
  const adapter = await openUrl(url);
  await adapter.close?.();
  return { ...locks.adapter, canForce: adapter.forceRelease !== undefined };
}

async function revoke(url: string, key: string): Promise<void> {
  await using locks = await openLocks(url, { backendTimeoutMs });
  await locks.forceRelease(key);
}

/** Long enough for many clients of one process that connect at once, and for a busy server. */
function timingFor(scheme: string, { expiry, ttl }: Capabilities): Partial<Timing> {
  if (scheme === 'memory') return {};
  // No lease is longer than a session is sure to last; the overshoot is declared as one and a half of it.
  const session = expiry === 'session' ? { longTtlMs: Math.floor(0.4 * ttl.maxOvershootMs) } : {};
  return { ttlMs: Math.max(ttl.minMs, 1_000), graceMs: 5_000, ...session };
}
