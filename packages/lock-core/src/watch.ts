import type { WatchOptions } from './api.ts';
import type { Context } from './context.ts';
import { checkOptionNames, closed } from './errors.ts';
import { inspectLock } from './inspect.ts';
import { KeyState } from './key-state.ts';
import type { LockInfo } from './lock-adapter.ts';
import { checkKey, checkSignal } from './options.ts';
import { onceAborted, sharedController } from './platform.ts';
import type { TimedEntry } from './timer-heap.ts';
import { listenForHints } from './waiting.ts';

/** How long a change without a hint may go unnoticed. */
const pollMs = 500;
/** A key that changes hands all the time is looked at no more often than this. */
const fastestMs = 25;

/** The states of a key as they change, until `closing` or the caller's signal aborts. */
export function watchLock(
  context: Context,
  key: string,
  options: WatchOptions | undefined,
  closing: AbortSignal,
): AsyncIterableIterator<LockInfo | undefined> {
  const end = sharedController();
  const changes = follow(context, key, options, closing, end);
  return {
    next: () => changes.next(),
    return() {
      // A `next` that is pending ends with it.
      end.abort();
      return changes.return(undefined);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* follow(
  context: Context,
  key: string,
  options: WatchOptions | undefined,
  closing: AbortSignal,
  end: AbortController,
): AsyncGenerator<LockInfo | undefined, undefined> {
  checkKey(key);
  if (options !== undefined) checkOptionNames(options, ['signal']);
  const { signal } = options ?? {};
  checkSignal(signal);
  if (context.closed) throw closed(key);
  if (signal?.aborted || end.signal.aborted) return;
  const watch = new Watch(context, key, end);
  const stopListening = [closing, signal].map((source) => source && onceAborted(source, () => end.abort()));
  try {
    let last: string | undefined;
    for (;;) {
      const seen = await watch.look();
      if (seen === undefined) return;
      const state = stateOf(seen.info);
      if (state !== last) yield seen.info;
      last = state;
      if (end.signal.aborted) return;
      await watch.sleep();
    }
  } finally {
    for (const stop of stopListening) stop?.();
    watch.close();
  }
}

/** What counts as a change: all but the time that is left. */
function stateOf(info: LockInfo | undefined): string {
  const { remainingMs, ...state } = info ?? {};
  return JSON.stringify(state, (_, value) => (typeof value === 'bigint' ? `${value}n` : value));
}

/** Looks at one key: now and then, and at each hint. */
class Watch {
  private readonly context: Context;
  private readonly keyState: KeyState;
  private readonly ended: Promise<undefined>;
  private readonly end: AbortController;
  private readonly stopListening: () => void;
  private readonly timer: TimedEntry;
  private wake = (): void => {};
  private lookedAt = 0;
  /** A hint came since the last look began. */
  private hinted = false;

  constructor(context: Context, key: string, end: AbortController) {
    this.context = context;
    this.end = end;
    // Of its own: the subscription of a waiter ends with that waiter.
    this.keyState = new KeyState(key, undefined);
    this.timer = { at: 0, heapIndex: -1, fire: () => this.wake() };
    let tellEnd = (): void => {};
    this.ended = new Promise((resolve) => {
      tellEnd = () => resolve(undefined);
    });
    this.stopListening = onceAborted(end.signal, () => {
      tellEnd();
      this.wake();
    });
  }

  /** The state of the key; `undefined` when the watch ended meanwhile. */
  async look(): Promise<{ readonly info: LockInfo | undefined } | undefined> {
    const { context, keyState } = this;
    // Before the look, so that no release between the two goes unnoticed (H37).
    listenForHints(context.adapter, keyState, context.settings.clock.now, () => {
      this.hinted = true;
      this.wake();
    });
    this.lookedAt = context.settings.clock.now();
    this.hinted = false;
    const looking = inspectLock(context, keyState.key).then((info) => ({ info }));
    looking.catch(() => {});
    return Promise.race([looking, this.ended]).catch((error: unknown) => {
      if (this.end.signal.aborted) return undefined;
      throw error;
    });
  }

  /** Until a hint, or until it is time to look again. */
  sleep(): Promise<void> {
    const { keepalive, timers, settings } = this.context;
    return keepalive.during(async () => {
      for (;;) {
        const now = settings.clock.now();
        const until = this.lookedAt + (this.hinted ? fastestMs : pollMs);
        if (this.end.signal.aborted || now >= until) return;
        await new Promise<void>((resolve) => {
          this.wake = resolve;
          timers.set(this.timer, until);
        });
      }
    });
  }

  close(): void {
    this.stopListening();
    this.context.timers.clear(this.timer);
    this.keyState.stopHints();
  }
}
