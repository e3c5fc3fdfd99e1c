import { clearTimeout, setTimeout } from 'node:timers';

/** A place in a queue of the database, of a waiter in this process. */
export class Place {
  readonly key: string;
  readonly owner: string;
  /** Whether the owner was released: it must not ask again. */
  isOver = false;
  /** The request on its way, if any. */
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

  /** Sleeps for so long, or until it is woken. */
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

  /** Wakes after so long, and not before unless it is woken. */
  wakeIn(ms: number | undefined): void {
    clearTimeout(this.#timer);
    if (ms === undefined || this.#isAwake) return;
    // A time that has just passed may be that of a hold which a transaction has pinned.
    this.#timer = setTimeout(() => this.wake(), Math.min(Math.max(ms + 1, 20), 2 ** 31 - 1));
    this.#timer.unref();
  }
}
