import type { Waiter } from './acquisition.ts';
import { admit, admitKin } from './admit.ts';
import type { Core } from './context.ts';
import { channels } from './diagnostics.ts';
import type { LockError } from './errors.ts';
import { lost } from './failures.ts';
import { Hold } from './hold.ts';
import type { KeyState } from './key-state.ts';
import { Lease } from './lease.ts';
import type { Granted } from './lock-adapter.ts';

/** Makes the waiter, who has left the queue, the holder: by the backend's grant, good until `deadline`. */
export function possess(
  core: Core,
  keyState: KeyState,
  waiter: Waiter,
  granted: Granted,
  deadline: number,
  now: number,
): void {
  const { request, terms } = waiter;
  // The backend gave the lock to this waiter, so whoever had it here has it no more.
  if (keyState.hold !== undefined) {
    core.lose(
      keyState.hold,
      lost(keyState.key, core.adapter.name, 'the backend gave it to another owner'),
      'is free of it',
    );
  }
  const hold = new Hold(waiter, granted.fencingToken, now);
  hold.lease = new Lease(
    request,
    granted,
    { autoRenew: terms.autoRenew, deadline, since: now, hold },
    core.watchdog.onTime,
  );
  keyState.hold = hold;
  core.watchdog.watch(hold.lease);
  waiter.resolve(admit(core, hold, waiter, 'backend', now));
  if (keyState.first !== undefined) admitKin(core, keyState, hold, now);
}

/** Takes a waiter off the queue and the clock. */
export function detach(core: Core, keyState: KeyState, waiter: Waiter): void {
  waiter.phase = 'done';
  core.timers.clear(waiter);
  waiter.stopListening?.();
  core.keepAlive.done(waiter);
  if (!waiter.once) return keyState.remove(waiter);
  keyState.visitors -= 1;
  core.visitors.delete(waiter);
}

/** Takes a waiter off the queue without the lock, and sees to what was asked for him: it may still be granted. */
export function leave(core: Core, keyState: KeyState, waiter: Waiter, now: number): void {
  detach(core, keyState, waiter);
  waiter.request.abandon();
  if (waiter.withdraw !== undefined) waiter.withdraw();
  else if (waiter.request.unanswered > 0) core.reaper.add(waiter.request);
  core.advance(keyState, now);
}

/** Ends a hold that is gone: tells the holder, cleans up in the backend, and lets the next of this process contend. */
export function lose(core: Core, hold: Hold, error: LockError, backend: 'may have it' | 'is free of it'): void {
  if (hold.state !== 'held') return;
  const { lease } = hold;
  core.watchdog.unwatch(lease);
  // First of all the holder has to stop.
  hold.markLost(error);
  if (channels.lost.hasSubscribers) {
    const { key, acquisition } = hold;
    channels.lost.publish({ adapter: core.adapter.name, key, acquisition, owner: lease.owner, reason: error });
  }
  if (backend === 'may have it' || lease.request.unanswered > 0) core.reaper.add(lease.request);
  const keyState = core.keys.get(hold.key);
  if (keyState?.hold !== hold) return;
  keyState.hold = undefined;
  core.advance(keyState, core.settings.clock.now());
}
