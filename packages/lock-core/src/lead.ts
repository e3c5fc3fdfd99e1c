import { onceAborted } from './abort-signals.ts';
import type { Acquirer } from './acquire.ts';
import type { AcquireOptions, Lock, LockOwner } from './api.ts';
import { pause, retryDelayMs } from './backend-call.ts';
import type { Context } from './context.ts';
import { isLockError } from './errors.ts';
import type { HeldLock } from './held-lock.ts';
import { refuse } from './option-names.ts';
import { checkKey, checkLeadBody, resolveOptions } from './options.ts';
import { bodyOwner, runBody } from './owner.ts';

export type TermBody = (term: Lock) => void | Promise<void>;

/**
 * Campaigns for the key, runs the body while it leads, and campaigns again after a loss, once the body has settled: so there are
 * never two bodies of one call.
 */
export async function lead(
  context: Context,
  acquirer: Acquirer,
  key: string,
  body: TermBody,
  options: AcquireOptions = {},
): Promise<void> {
  checkKey(key);
  checkLeadBody(body, options);
  const { claim } = resolveOptions(context.settings.defaults, options);
  if (claim.mode !== 'exclusive') refuse('a leader is the only one: lead has no mode', key);
  const { signal } = options;
  for (;;) {
    const owner = options.owner ?? bodyOwner();
    const term = await campaign(context, acquirer, key, { ...options, owner });
    const stopListening = signal && term.endWith(signal);
    let wasLost = false;
    try {
      await runBody(owner, term, async () => {
        try {
          await body(term);
        } finally {
          wasLost = term.state === 'lost';
        }
      });
    } catch (error) {
      // What a body does after the loss of its term, the loss made it do: it has not done its work.
      if (!wasLost) throw error;
    } finally {
      stopListening?.();
    }
    signal?.throwIfAborted();
    if (!wasLost) return;
  }
}

/** Waits for the key. An outage of the backend does not end it: the next leader is needed all the more. */
async function campaign(
  context: Context,
  acquirer: Acquirer,
  key: string,
  options: AcquireOptions & { readonly owner: LockOwner },
): Promise<HeldLock> {
  const { now } = context.settings.clock;
  // A standby waits for as long as there is a leader, so the default of these `Locks` does not count.
  const { waitMs = Number.POSITIVE_INFINITY } = options;
  const until = now() + waitMs;
  for (let failures = 1; ; failures += 1) {
    try {
      const lock = await acquirer.acquire(key, { ...options, waitMs: Math.max(0, until - now()) });
      return lock as HeldLock;
    } catch (error) {
      if (!isLockError(error, 'LOCK_BACKEND') || !error.retryable || now() >= until) throw error;
    }
    // However short these locks wait for an answer, nobody is to be asked without a pause.
    await pauseUnless(options.signal, context, Math.min(retryDelayMs(failures), until - now()));
  }
}

/** Lets some time pass, but no longer than until the signal aborts. */
async function pauseUnless(signal: AbortSignal | undefined, context: Context, forMs: number): Promise<void> {
  if (signal === undefined) return pause(context, forMs);
  if (signal.aborted) return;
  let stopListening = (): void => {};
  const aborted = new Promise<void>((resolve) => {
    stopListening = onceAborted(signal, resolve);
  });
  await Promise.race([aborted, pause(context, forMs)]);
  stopListening();
}
