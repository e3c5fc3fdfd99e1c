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
import { reasonFromServers } from './server-answer.ts';

export interface OpenLocksOptions extends LocksOptions {
  /** What the application needs of the backend; `openLocks` refuses one that lacks it. Default: nothing. */
  require?: Requirements | undefined;
  /** The application's own URL schemes, by name without the colon: `{ dynamo: (url) => dynamoAdapter(url) }`. They take precedence. */
  schemes?: Readonly<Record<string, SchemeHandler>> | undefined;
  /**
   * The factories of adapter packages that the application imports itself: `[ioredisAdapterFactory]`. They take precedence over
   * what is installed, and a bundler that cannot follow the imports of this package needs them. Default: none.
   */
  adapters?: readonly AdapterFactory[] | undefined;
  /**
   * Default false: the backend is asked once, so that a wrong host or password shows at start-up and not at the first lock.
   * True: nothing is sent, for applications that must start while the backend is down.
   */
  lazy?: boolean | undefined;
}

/** Options with which no lock is without a fencing token, so that its type is `bigint`. */
export interface FencedLocksOptions extends OpenLocksOptions {
  require: Requirements & { fencing: true };
}

const optionNames = [...objectNames(locksOptionTable), 'clock', 'require', 'schemes', 'adapters', 'lazy'];
const pingKey = 'holdfast:hello';
const noAnswer = {
  what: 'does not answer.',
  remedy: 'Check that it is running and that it can be reached from here.',
  retryable: true,
};

/**
 * Opens the locks that a configuration names: finds the adapter, opens its client, checks what the application requires of
 * it, and asks the backend once.
 *
 * Options in the configuration take precedence over those in code: code states defaults, and the deployment decides. `close()`,
 * or the end of an `await using` block, closes everything that was opened. With `require: { fencing: true }` the type of
 * `lock.fencingToken` is `bigint`.
 *
 * @throws LockError LOCK_INVALID_ARGUMENT for a mistake in the configuration; LOCK_UNSUPPORTED when the adapter's package is
 * not installed or cannot be loaded, or the backend lacks something of `require`; LOCK_BACKEND when the backend does not answer
 * within `backendTimeoutMs`, or refuses. No error contains a password.
 */
export function openLocks(config: LocksConfig, options: FencedLocksOptions): Promise<Locks<bigint>>;
export function openLocks(config: LocksConfig, options?: OpenLocksOptions): Promise<Locks>;
export async function openLocks(config: LocksConfig, options: OpenLocksOptions = {}): Promise<Locks> {
  assertOptions(options);
  const { require: required = {}, schemes, adapters, lazy = false, ...defaults } = options;
  checkRequirementNames(required);
  const plan = readConfig(config, { schemes, adapters });
  let opened: LockAdapter | Locks | undefined;
  try {
    const adapter = await plan.open();
    opened = adapter;
    assertRequirements(adapter.name, adapter.capabilities, required);
    const locks = createLocks(adapter, strictly(required, { ...defaults, ...plan.locksOptions }));
    opened = locks;
    if (!lazy && adapter.inspect !== undefined) await ping(locks, plan);
    return locks;
  } catch (error) {
    // The first error states the reason; an error of closing would only hide it.
    await opened?.close?.().catch(() => {});
    throw withoutSecrets(error, plan.secrets);
  }
}

/** The order over all waiters that `fairness: 'fifo'` requires has no local hand-over. */
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
async function ping(locks: Locks, { address, tls, url }: Plan): Promise<void> {
  // The timers of locks do not keep the process alive. Without this one, it would end before the answer.
  const keepAlive = setInterval(() => {}, 60_000);
  try {
    await locks.inspect(pingKey);
  } catch (error) {
    if (!isLockError(error, 'LOCK_BACKEND')) throw error;
    const { cause, message } = error;
    // Some clients give up, or blame the wrong thing, after a refusal: the words of the server itself come first.
    const found = await reasonFromServers(tls.servers, tls.wanted, url);
    const refused = { what: 'cannot be used:', remedy: message, retryable: false };
    const { what, remedy, retryable } = found ?? (error.retryable ? noAnswer : refused);
    const where = `The lock backend ${address} (${locks.adapter.name})`;
    throw new LockError('LOCK_BACKEND', `${where} ${what} ${remedy}`, { retryable, cause });
  } finally {
    clearInterval(keepAlive);
  }
}
