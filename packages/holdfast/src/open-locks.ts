import {
  createLocks,
  isLockError,
  type LockAdapter,
  LockError,
  type Locks,
  type LocksOptions,
} from '@holdfast/lock-core';
import { type LocksConfig, type Plan, readConfig, type SchemeHandler } from './config.ts';
import { checkNames, locksOptionTable, objectNames } from './options.ts';
import { assertRequirements, checkRequirementNames, type Requirements } from './requirements.ts';
import { withoutSecrets } from './secrets.ts';
import { tlsProblem } from './tls-problem.ts';

export interface OpenLocksOptions extends LocksOptions {
  /** What the application needs of the backend; `openLocks` refuses one that lacks it. Default: nothing. */
  require?: Requirements | undefined;
  /** Own URL schemes, by name without the colon: `{ dynamo: (url) => dynamoAdapter(url) }`. They go before ours. */
  schemes?: Readonly<Record<string, SchemeHandler>> | undefined;
  /**
   * Default false: the backend is asked once, so that a wrong host or password shows at start-up and not at the first lock.
   * True: nothing is sent, for applications that must start while the backend is down.
   */
  lazy?: boolean | undefined;
}

const optionNames = [...objectNames(locksOptionTable), 'clock', 'require', 'schemes', 'lazy'];
const greetingKey = 'holdfast:hello';
const away = { what: 'does not answer.', remedy: 'Check that it runs there and can be reached from here.' };

/**
 * Opens the locks that a configuration names: finds the adapter, opens its client, checks what the application requires of
 * it, and asks the backend once.
 *
 * Options in the configuration go before those in code: code states defaults, whoever deploys decides. `close()`, or the end
 * of an `await using` block, closes everything that was opened.
 *
 * @throws LockError LOCK_INVALID_ARGUMENT a mistake in the configuration; LOCK_UNSUPPORTED the adapter's package is not
 * installed, or the backend lacks something of `require`; LOCK_BACKEND no answer within `backendTimeoutMs`, or access
 * refused. No error holds a password.
 */
export async function openLocks(config: LocksConfig, options: OpenLocksOptions = {}): Promise<Locks> {
  checkNames(options, optionNames, 'openLocks');
  const { require: required = {}, schemes = {}, lazy = false, ...defaults } = options;
  checkRequirementNames(required);
  const plan = readConfig(config, schemes);
  let opened: LockAdapter | Locks | undefined;
  try {
    const adapter = await plan.open();
    opened = adapter;
    assertRequirements(adapter.name, adapter.capabilities, required);
    const locks = createLocks(adapter, { ...defaults, ...plan.locksOptions });
    opened = locks;
    if (!lazy && adapter.inspect !== undefined) await greet(locks, plan);
    return locks;
  } catch (error) {
    // The first error says why; one of the closing would only hide it.
    await opened?.close?.().catch(() => {});
    throw withoutSecrets(error, plan.secrets);
  }
}

/** Asks the backend one cheap question, so that the first error names the address and not some lock. */
async function greet(locks: Locks, { address, tls }: Plan): Promise<void> {
  // The timers of locks keep no process alive: it would end without a word, and without the locks it waits for.
  const awake = setInterval(() => {}, 2 ** 30);
  try {
    await locks.inspect(greetingKey);
  } catch (error) {
    if (!isLockError(error, 'LOCK_BACKEND')) throw error;
    const { retryable, cause } = error;
    const { what, remedy } = retryable
      ? ((await tlsProblem(tls.servers, tls.wanted)) ?? away)
      : { what: 'cannot be used:', remedy: error.message };
    const where = `The lock backend ${address} (${locks.adapter.name})`;
    throw new LockError('LOCK_BACKEND', `${where} ${what} ${remedy}`, { retryable, cause });
  } finally {
    clearInterval(awake);
  }
}
