import { setTimeout as sleep } from 'node:timers/promises';
import {
  createLocks,
  isLockError,
  type LockAdapter,
  LockError,
  type Locks,
  type LocksOptions,
} from '@holdfast/lock-core';
import { type LocksConfig, type Plan, readConfig, type SchemeHandler } from './config.ts';
import { invalid } from './invalid.ts';
import { checkNames, locksOptionTable, objectNames } from './options.ts';
import type { AdapterFactory } from './packages.ts';
import { assertRequirements, checkRequirementNames, type Requirements } from './requirements.ts';
import { isSchemeOption } from './schemes.ts';
import { withoutSecrets } from './secrets.ts';
import { type Refusal, reasonFromServers, refusalByAll, unreachable } from './server-answer.ts';

/** Options of `openLocks`: the defaults of the locks, and how to open the backend. */
export interface OpenLocksOptions extends LocksOptions {
  /** What the application requires of the backend; `openLocks` refuses a backend that lacks it. Default: nothing. */
  require?: Requirements | undefined;
  /** The application's own URL schemes, by name without the colon: `{ dynamo: (url) => dynamoAdapter(url) }`. They take precedence. */
  schemes?: Readonly<Record<string, SchemeHandler>> | undefined;
  /**
   * The factories of adapter packages that the application itself imports, such as `[ioredisAdapterFactory]`; default none. They take
   * precedence over installed packages. Pass them if your bundler cannot follow the imports of this package.
   */
  adapters?: readonly AdapterFactory[] | undefined;
  /**
   * Default false: `openLocks` sends one request to the backend, so that a wrong host or password is reported at start-up and not by
   * the first lock. With true, nothing is sent; use it for applications that must be able to start while the backend is down.
   */
  lazy?: boolean | undefined;
}

/** Options that require fencing tokens: every lock then has one, and its type is `bigint`. */
export interface FencedLocksOptions extends OpenLocksOptions {
  require: Requirements & { fencing: true };
}

const defaultNames = [...objectNames(locksOptionTable), 'clock'];
const optionNames = [...defaultNames, 'require', 'schemes', 'adapters', 'lazy'];
const pingKey = 'holdfast:hello';
/** After so long without an answer, the servers are asked directly: some client libraries retry after any refusal. */
const soonMs = 1_500;
const noAnswer = {
  what: 'does not answer.',
  remedy: 'Check that it is running and that it can be reached from here.',
  retryable: true,
};

/**
 * Opens the locks of a configuration: finds the adapter, opens its client, checks what the application requires of the backend and,
 * unless `lazy` is true, sends the backend one request.
 *
 * Options in the configuration take precedence over those in code: the code sets defaults, and the deployment decides. `close()`, or
 * the end of an `await using` block, closes everything that was opened. With `require: { fencing: true }`, the type of
 * `lock.fencingToken` is `bigint`.
 *
 * @throws LockError LOCK_INVALID_ARGUMENT for a mistake in the configuration; LOCK_UNSUPPORTED if the adapter's package is not
 * installed or cannot be loaded, or if the backend lacks something in `require`; LOCK_BACKEND if the backend refuses, or does not
 * answer within `backendTimeoutMs`. No error contains a password.
 */
export function openLocks(config: LocksConfig, options: FencedLocksOptions): Promise<Locks<bigint>>;
export function openLocks(config: LocksConfig, options?: OpenLocksOptions): Promise<Locks>;
export async function openLocks(config: LocksConfig, options: OpenLocksOptions = {}): Promise<Locks> {
  assertOptions(options);
  const { require: required = {}, schemes, adapters, lazy = false } = options;
  checkRequirementNames(required);
  const plan = readConfig(config, { schemes, adapters });
  let opened: LockAdapter | Locks | undefined;
  try {
    const adapter = await plan.open();
    opened = adapter;
    assertRequirements(adapter.name, adapter.capabilities, required);
    const locks = createLocks(adapter, strictly(required, { ...defaultsOf(options), ...plan.locksOptions }));
    opened = locks;
    if (!lazy && adapter.inspect !== undefined) await ping(locks, plan);
    return locks;
  } catch (error) {
    // The first error states the reason; an error of closing would only hide it.
    await opened?.close?.().catch(() => {});
    throw withoutSecrets(error, plan.secrets);
  }
}

/** Copied name by name: a spread would silently drop inherited properties. */
function defaultsOf(options: OpenLocksOptions): LocksOptions {
  return Object.fromEntries(defaultNames.map((name) => [name, options[name as keyof LocksOptions]]));
}

/** `fairness: 'fifo'` requires one order over all waiters, which excludes local hand-over. */
function strictly({ fairness }: Requirements, options: LocksOptions): LocksOptions {
  if (fairness !== 'fifo') return options;
  const { count = 0 } = options.localRun ?? {};
  if (count !== 0) {
    throw invalid(
      `require: { fairness: 'fifo' } serves all waiters in the order in which they asked, and localRun: { count: ${count} } lets those of one process pass others. Leave one of them out.`,
    );
  }
  return { ...options, localRun: { count: 0 } };
}

function assertOptions(options: unknown): asserts options is OpenLocksOptions {
  if (typeof options !== 'object' || options === null) {
    throw invalid(
      `The options of openLocks are an object: openLocks(config, { … }), not ${options === null ? 'null' : typeof options}.`,
    );
  }
  if (Object.hasOwn(options, 'adapter')) {
    throw invalid('The configuration is the first argument of openLocks: openLocks({ adapter: … }, options).');
  }
  const misplaced = Object.keys(options).find((name) => !optionNames.includes(name) && isSchemeOption(name));
  if (misplaced !== undefined) {
    throw invalid(
      `openLocks has no option "${misplaced}": it is an option of the adapter. Write it in the lock URL, or beside "adapter" in the configuration: openLocks({ adapter: url, ${misplaced}: … }).`,
    );
  }
  checkNames(options, optionNames, 'openLocks');
  const { adapters = [] } = options as OpenLocksOptions;
  const isFactory = (each: AdapterFactory | undefined): boolean =>
    typeof each?.open === 'function' && typeof each.name === 'string';
  if (!Array.isArray(adapters) || !adapters.every(isFactory)) {
    throw invalid(
      'The option "adapters" of openLocks is a list of adapter factories, such as [ioredisAdapterFactory].',
    );
  }
}

/** Sends the backend one inexpensive request, so that the first error names the address and not a lock. */
async function ping(locks: Locks, plan: Plan): Promise<void> {
  const { address, tls, url } = plan;
  const where = `The lock backend ${address} (${locks.adapter.name})`;
  // The timers of locks do not keep the process alive. Without this one, it would end before the answer.
  const keepAlive = setInterval(() => {}, 60_000);
  let refusal: Refusal | undefined;
  try {
    refusal = await refusalOr(locks.inspect(pingKey), plan);
  } catch (error) {
    if (!isLockError(error, 'LOCK_BACKEND')) throw error;
    const { cause, message } = error;
    // Some clients give up, or name the wrong cause, after a refusal: the server's own words come first.
    const found = await reasonFromServers(tls.servers, tls.wanted, url);
    const refused = { what: 'cannot be used:', remedy: message, retryable: false };
    const silent = error.retryable && url !== undefined ? ((await unreachable(url)) ?? noAnswer) : noAnswer;
    const { what, remedy, retryable } = found ?? (error.retryable ? silent : refused);
    throw new LockError('LOCK_BACKEND', `${where} ${what} ${remedy}`, { retryable, cause });
  } finally {
    clearInterval(keepAlive);
  }
  if (refusal === undefined) return;
  throw new LockError('LOCK_BACKEND', `${where} ${refusal.what} ${refusal.remedy}`, { retryable: false });
}

/** Waits for an answer, or until every server is known to refuse; then returns that refusal. */
async function refusalOr(answer: Promise<unknown>, { tls, url }: Plan): Promise<Refusal | undefined> {
  const answered = answer.then(
    () => undefined,
    () => undefined,
  );
  const settled = new AbortController();
  const refusal = sleep(soonMs, undefined, { ref: false, signal: settled.signal }).then(
    () => (url === undefined ? undefined : refusalByAll(url, tls.wanted)),
    () => undefined, // answered in time
  );
  const found = await Promise.race([answered, refusal]);
  settled.abort();
  if (found === undefined) await answer;
  return found;
}
