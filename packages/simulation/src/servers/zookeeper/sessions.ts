/** The leader's account of the sessions: who is alive, and through which server. */
export interface SessionTracker {
  /** A new session, or one that is heard of; `false` when there is none. */
  touch(session: bigint, now: number): boolean;
  add(session: bigint, timeoutMs: number, now: number): void;
  setOwner(session: bigint, server: number): void;
  /** Why a request of the session through this server is refused. */
  check(session: bigint, server: number): 'expired' | 'moved' | undefined;
  /** Marks the session as closing: from now on it is neither renewed nor expired. */
  close(session: bigint): void;
  remove(session: bigint): void;
  /** Those whose time is over. */
  overdue(now: number): bigint[];
}

interface Tracked {
  readonly timeoutMs: number;
  expiresAt: number;
  owner: number | undefined;
  isClosing: boolean;
}

/** Time-outs are counted in ticks: a session ends with the tick after its time-out. */
export function createSessionTracker(tickMs: number): SessionTracker {
  const sessions = new Map<bigint, Tracked>();
  const end = (now: number, timeoutMs: number): number => (Math.floor((now + timeoutMs) / tickMs) + 1) * tickMs;
  return {
    touch(session, now) {
      const tracked = sessions.get(session);
      if (tracked === undefined || tracked.isClosing) return false;
      tracked.expiresAt = end(now, tracked.timeoutMs);
      return true;
    },
    add(session, timeoutMs, now) {
      sessions.set(session, { timeoutMs, expiresAt: end(now, timeoutMs), owner: undefined, isClosing: false });
    },
    setOwner(session, server) {
      const tracked = sessions.get(session);
      if (tracked !== undefined) tracked.owner = server;
    },
    check(session, server) {
      const tracked = sessions.get(session);
      if (tracked === undefined || tracked.isClosing) return 'expired';
      tracked.owner ??= server;
      return tracked.owner === server ? undefined : 'moved';
    },
    close(session) {
      const tracked = sessions.get(session);
      if (tracked !== undefined) tracked.isClosing = true;
    },
    remove: (session) => void sessions.delete(session),
    overdue: (now) =>
      [...sessions]
        .filter(([, { expiresAt, isClosing }]) => !isClosing && expiresAt <= now)
        .map(([session]) => session),
  };
}
