import { setImmediate } from 'node:timers';
/**
 * Detects a node that has fallen silent: a frozen server or a dead connection accepts every command and answers none. It then gets
 * only an occasional probe, enough to notice that it is back or that its connection broke, so its backlog does not grow with the
 * length of the outage.
 */
export interface CircuitBreaker {
  /** False when nothing should be sent now. While the node is silent, true is the leave for one request. */
  admits(): boolean;
  /** What `admits` would refuse, without taking leave for anything. */
  readonly paused: boolean;
  /** Calls back at the next answer, once; gives a function that forgets it. */
  onAnswer(callback: () => void): () => void;
  /** Commands are outstanding, and none was answered for a while. */
  readonly silent: boolean;
  sent(): void;
  answered(): void;
}

// The answer to any command that is outstanding tells that the node is back, so more of them only find out whether it is gone.
// One whose connection was lost without a sign is back only for the next of them.
const longestPauseMs = 20_000;

export function createCircuitBreaker(now: () => number, timeoutMs: number): CircuitBreaker {
  let outstanding = 0;
  // Answers are counted, and the clock is read only on demand: that is slow, and a node is rarely silent.
  let progress = 0;
  let datedProgress = -1;
  let progressAt = 0;
  let probedAt = 0;
  let pauseMs = timeoutMs;
  let silent = false;
  let checking = false;
  const listeners = new Set<() => void>();

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

  function isSilent(at: number): boolean {
    if (progress !== datedProgress) {
      datedProgress = progress;
      progressAt = at;
    }
    if (at - progressAt < timeoutMs) return false;
    if (!silent) check();
    return silent;
  }

  const probeIsDue = (at: number): boolean => probedAt === 0 || at - probedAt >= pauseMs;

  return {
    get paused() {
      return silent && outstanding > 0 && !probeIsDue(now());
    },
    get silent() {
      return outstanding > 0 && isSilent(now());
    },
    admits() {
      if (outstanding === 0) return true;
      const at = now();
      if (!isSilent(at)) return true;
      if (!probeIsDue(at)) return false;
      // What is outstanding will be answered first, so more of it would tell nothing sooner.
      if (probedAt > 0) pauseMs = Math.min(2 * pauseMs, Math.max(longestPauseMs, timeoutMs));
      probedAt = at;
      return true;
    },
    sent() {
      if (outstanding === 0) progress += 1;
      outstanding += 1;
    },
    answered() {
      outstanding -= 1;
      progress += 1;
      silent = false;
      probedAt = 0;
      pauseMs = timeoutMs;
      if (listeners.size === 0) return;
      const told = [...listeners];
      listeners.clear();
      for (const callback of told) callback();
    },
    onAnswer(callback) {
      listeners.add(callback);
      return () => listeners.delete(callback);
    },
  };
}
