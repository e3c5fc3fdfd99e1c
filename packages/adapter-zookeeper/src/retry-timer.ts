import { clearTimeout, setTimeout } from 'node:timers';

const firstPauseMs = 100;
const longestPauseMs = 3_000;

/** Runs something again after pauses that grow; one timer for all that failed. */
export class RetryTimer {
  readonly #run: () => void;
  #timer: NodeJS.Timeout | undefined;
  #pauseMs = firstPauseMs;
  #isClosed = false;

  constructor(run: () => void) {
    this.#run = run;
  }

  /** Runs it once after the next pause, however often this is called before. */
  schedule(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#run();
    }, this.#pauseMs);
    this.#timer.unref();
    this.#pauseMs = Math.min(2 * this.#pauseMs, longestPauseMs);
  }

  /** The next pause is short again. */
  reset(): void {
    this.#pauseMs = firstPauseMs;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }
}
