import { createAborts } from './abort-signals.ts';
import { createNativeQueue, type NativeQueue } from './backend-queue.ts';
import type { Core } from './context.ts';
import { leave, lose } from './grant.ts';
import type { LockAdapter } from './lock-adapter.ts';
import type { Settings } from './options.ts';
import { createReaper } from './orphan-cleanup.ts';
import { type Contention, createContention } from './polling-queue.ts';
import { createKeepAlive } from './process-keepalive.ts';
import { giveBack } from './release.ts';
import { createTimerHeap } from './timer-heap.ts';
import { createWatchdog } from './watchdog.ts';

export interface Parts {
  readonly core: Core;
  readonly contention: Contention;
  readonly nativeQueue: NativeQueue | undefined;
}

/** Puts the parts of one `Locks` together. */
export function assemble(adapter: LockAdapter, settings: Settings): Parts {
  const shared = {
    adapter,
    settings,
    timers: createTimerHeap(settings.clock),
    keys: new Map(),
    visitors: new Set(),
    aborts: createAborts(),
    closed: false,
  } satisfies Partial<Core>;
  // The parts call each other through the core, and none before all are there.
  const core = shared as typeof shared & Core;
  core.lose = (hold, error, backend) => lose(core, hold, error, backend);
  core.giveBack = (hold) => giveBack(core, hold);
  core.leave = (keyState, waiter, now) => leave(core, keyState, waiter, now);
  core.keepAlive = createKeepAlive(core);
  core.reaper = createReaper(core);
  core.watchdog = createWatchdog(core);
  const contention = createContention(core);
  core.advance = contention.advance;
  return { core, contention, nativeQueue: adapter.enqueue === undefined ? undefined : createNativeQueue(core) };
}
