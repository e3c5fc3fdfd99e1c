import type { AcquireAttempt } from '@holdfast/lock-core';
import { SessionOver, Unanswered } from './failures.ts';
import type { Place, Places } from './places.ts';
import type { Watches } from './watches.ts';
import type { Zookeeper } from './zookeeper.ts';

// How long a waiter's place is kept for while no server can be reached; then nobody knows, and core is to decide.
const patienceMs = 3_000;

/** Waits in the queue until the place is the first. Rejects with the signal's reason once an aborted waiter's place is given back. */
export async function waitInLine(
  zookeeper: Zookeeper,
  places: Places,
  watches: Watches,
  attempt: AcquireAttempt,
  signal: AbortSignal,
): Promise<Place> {
  signal.throwIfAborted();
  const { key, owner } = attempt;
  const place = await places.enter(key, owner);
  attempt.onQueued?.();
  place.waiting = true;
  try {
    while (place.ahead !== undefined) {
      if (!signal.aborted) await untilChange(places, watches, place, place.ahead, signal);
      if (signal.aborted) {
        await places.leave(key, owner);
        throw signal.reason;
      }
      await lookAgain(zookeeper, places, place, signal);
    }
    return place;
  } finally {
    place.waiting = false;
  }
}

/** Resolves when the node ahead has changed or gone, or the watch on it is lost, or the signal aborts, or the place is given back. */
function untilChange(
  places: Places,
  watches: Watches,
  place: Place,
  ahead: string,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener('abort', done);
      places.awake(place, ahead);
      watches.unlisten(ahead, done);
      resolve();
    };
    signal.addEventListener('abort', done);
    places.sleep(place, ahead, done);
    watches.listen(ahead, done);
  });
}

/** A place outlives its connection: it is kept as long as the session lasts and a server is found soon. */
async function lookAgain(zookeeper: Zookeeper, places: Places, place: Place, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      return await places.look(place);
    } catch (error) {
      if (signal.aborted) return;
      if (place.session.over) throw new SessionOver();
      if (!(error instanceof Unanswered) || zookeeper.downForMs > patienceMs) throw error;
    }
  }
}
