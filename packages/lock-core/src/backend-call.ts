import { noAnswer } from './failures.ts';
import type { TimedEntry, TimerHeap } from './timer-heap.ts';

/**
 * Calls the adapter and waits for the answer no longer than `withinMs`; then the call counts as unknown, and rejects. A
 * later answer goes to `late`.
 */
export function bounded<T>(
  timers: TimerHeap,
  now: number,
  withinMs: number,
  call: () => Promise<T>,
  late?: (answer: T) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let open = true;
    const entry: TimedEntry = {
      at: 0,
      heapIndex: -1,
      fire() {
        open = false;
        reject(noAnswer(withinMs));
      },
    };
    timers.set(entry, now + withinMs);
    const done = (): boolean => {
      timers.clear(entry);
      const inTime = open;
      open = false;
      return inTime;
    };
    const failed = (error: unknown): void => {
      if (done()) reject(error);
    };
    try {
      call().then((value) => (done() ? resolve(value) : late?.(value)), failed);
    } catch (error) {
      // An adapter that throws instead of rejecting is treated alike.
      failed(error);
    }
  });
}
