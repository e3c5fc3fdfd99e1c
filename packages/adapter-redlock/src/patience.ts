/**
 * Notices a node that has fallen silent: a frozen server or a dead line takes every command and answers none. It then gets one
 * command per time-out, enough to see it come back, so that what it will have to catch up with does not grow without bound.
 */
export interface Patience {
  /** True when nothing should be sent now. */
  readonly exhausted: boolean;
  sent(): void;
  answered(): void;
}

export function createPatience(now: () => number, timeoutMs: number): Patience {
  let outstanding = 0;
  let progressAt = 0;
  let sentAt = 0;
  let silent = false;
  let checking = false;

  /** After a stall of this process the answers may be here, only not read yet. */
  function check(): void {
    if (checking) return;
    checking = true;
    const before = progressAt;
    setImmediate(() => {
      checking = false;
      silent = outstanding > 0 && progressAt === before;
    });
  }

  return {
    get exhausted() {
      if (outstanding === 0) return false;
      const at = now();
      if (at - progressAt < timeoutMs) return false;
      if (!silent) check();
      return silent && at - sentAt < timeoutMs;
    },
    sent() {
      sentAt = now();
      if (outstanding === 0) progressAt = sentAt;
      outstanding += 1;
    },
    answered() {
      outstanding -= 1;
      progressAt = now();
      silent = false;
    },
  };
}
