/**
 * Notices a node that has fallen silent: a frozen server or a dead line takes every command and answers none. It then gets one
 * command per time-out, enough to see it come back, so that what it will have to catch up with does not grow without bound.
 */
export interface CircuitBreaker {
  /** True when nothing should be sent now. */
  readonly exhausted: boolean;
  sent(): void;
  answered(): void;
}

export function createCircuitBreaker(now: () => number, timeoutMs: number): CircuitBreaker {
  let outstanding = 0;
  // Counted, and dated only when somebody looks: clocks are slow to read, and nearly always all is well.
  let progress = 0;
  let datedProgress = -1;
  let progressAt = 0;
  let sentAt = 0;
  let silent = false;
  let checking = false;

  /** After a stall of this process the answers may be here, only not read yet. */
  function check(): void {
    if (checking) return;
    checking = true;
    const before = progress;
    setImmediate(() => {
      checking = false;
      silent = outstanding > 0 && progress === before;
    });
  }

  return {
    get exhausted() {
      if (outstanding === 0) return false;
      const at = now();
      if (progress !== datedProgress) {
        datedProgress = progress;
        progressAt = at;
      }
      if (at - progressAt < timeoutMs) return false;
      if (!silent) check();
      return silent && at - sentAt < timeoutMs;
    },
    sent() {
      if (silent) sentAt = now();
      if (outstanding === 0) progress += 1;
      outstanding += 1;
    },
    answered() {
      outstanding -= 1;
      progress += 1;
      silent = false;
    },
  };
}
