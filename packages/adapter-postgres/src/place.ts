import { clearTimeout, setTimeout } from 'node:timers';

/** The place of a waiter of this process in a queue of the database. */
export class Place {
  readonly key: string;
  readonly owner: string;
  /** Whether the database has confirmed the place. */
  isQueued = false;
  /** Whether the owner was released: it must not ask again. */
  isOver = false;
  /** The request in flight, if any. */
  asking: Promise<unknown> | undefined;
  #wake: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isAwake = false;

  constructor(key: string, owner: string) {
    this.key = key;
    this.owner = owner;
  }

  /** Ends the sleep, or the next one if it is awake. */
  wake(): void {
    clearTimeout(this.#timer);
    this.#isAwake = true;
    this.#wake?.();
  }

  /** Sleeps for this long, or until it is woken. */
  async sleep(forMs: number | undefined): Promise<void> {
    this.wakeIn(forMs);
    if (!this.#isAwake) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#wake = undefined;
    this.#isAwake = false;
    clearTimeout(this.#timer);
  }

  /** Wakes after this time, and not earlier unless it is woken. */
  wakeIn(ms: number | undefined): void {
    clearTimeout(this.#timer);
    if (ms === undefined || this.#isAwake) return;
    // A time that has just passed may belong to a hold that a transaction has pinned.
    this.#timer = setTimeout(() => this.wake(), Math.min(Math.max(ms + 1, 20), 2 ** 31 - 1));
    this.#timer.unref();
  }
}
