import { clearInterval, setInterval } from 'node:timers';
import type { Link } from './session.ts';

/** How often a session is heard of within its time-out. */
export const heartbeatsPerSession = 10;

/**
 * Asks again and again as long as the connection lasts. So it notices an unresponsive server (the library never does, H66), keeps
 * the session, and learns whether the leader still has it. A follower that is cut off answers reads for long, so while there are
 * nodes of ours, it calls `askLeader`; else a read will do.
 */
export function keepAlive(link: Link, isInUse: () => boolean, askLeader: () => Promise<void>): void {
  const { connection, session } = link;
  const heartbeat = async (): Promise<unknown> =>
    isInUse() ? askLeader() : connection.call((client, done) => client.exists('/', done));
  let isAsking = false;
  const done = (): void => {
    isAsking = false;
  };
  const timer = setInterval(() => {
    if (isAsking) return;
    isAsking = true;
    heartbeat().then(done, done);
  }, session.timeoutMs / heartbeatsPerSession);
  timer.unref();
  void connection.ended.then(() => clearInterval(timer));
}
