import { bounded } from './backend-call.ts';
import type { Core } from './context.ts';
import { channels } from './diagnostics.ts';
import { isLockError } from './errors.ts';
import { lost } from './failures.ts';
import { handOver } from './hand-over.ts';
import type { Hold } from './hold.ts';
import type { Lease } from './lease.ts';
import type { ReleaseOutcome } from './lock-adapter.ts';
import { attemptTimeout } from './options.ts';
import { standBackAfterRelease } from './stand-back.ts';

/**
 * Takes back one lock of a hold; the last one frees it. Never rejects: when the backend does not answer, the critical
 * section is over all the same and the reaper sees to the rest, so that is `released` too (H14).
 */
export function giveBack(core: Core, hold: Hold): Promise<'released' | 'lost'> {
  const { clock } = core.settings;
  if (hold.state !== 'held') return Promise.resolve('lost');
  hold.count -= 1;
  if (hold.count > 0) return Promise.resolve('released');
  const now = clock.now();
  const { lease } = hold;
  const keyState = core.keys.get(hold.key);
  hold.state = 'released';
  if (keyState !== undefined && handOver(core, keyState, lease, now)) {
    tell(core, hold, 'handed-over', now);
    return Promise.resolve('released');
  }
  core.watchdog.unwatch(lease);
  const outcome = free(core, hold, lease, now);
  if (keyState !== undefined) {
    keyState.hold = undefined;
    // Sent right behind the release, the next one's request costs no round trip of its own.
    core.advance(keyState, now);
  }
  return outcome;
}

function free(core: Core, hold: Hold, lease: Lease, now: number): Promise<'released' | 'lost'> {
  const { adapter, timers, settings } = core;
  // An acquire without an answer may come in only behind the release.
  const doubtful = lease.request.unanswered > 0;
  lease.waiting = undefined;
  const done = (outcome: ReleaseOutcome): 'released' | 'lost' => {
    if (doubtful) core.reaper.add(lease.request);
    if (outcome === 'not-held') {
      hold.markLost(lost(hold.key, adapter.name, 'it was gone before it was released (expired, or force-released)'));
    } else if (lease.waiting) standBackAfterRelease(core, hold.key, lease.waiting, now);
    const told = outcome === 'released' ? 'released' : 'lost';
    tell(core, hold, told, now);
    return told;
  };
  return bounded(timers, now, attemptTimeout(settings, lease.ttlMs), () => adapter.release(lease)).then(
    done,
    (error: unknown) => {
      if (isLockError(error) && !error.retryable) return done('not-held');
      core.reaper.add(lease.request);
      tell(core, hold, 'unknown', now);
      return 'released';
    },
  );
}

function tell(core: Core, hold: Hold, outcome: string, now: number): void {
  if (!channels.release.hasSubscribers) return;
  const { adapter } = core;
  channels.release.publish({
    adapter: adapter.name,
    key: hold.key,
    acquisition: hold.acquisition,
    owner: hold.lease.owner,
    outcome,
    heldMs: now - hold.since,
  });
}
