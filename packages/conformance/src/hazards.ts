/** One bug that published lock libraries had or have. */
export interface Hazard {
  /** For ever; cases and test titles name it as `H16`. */
  readonly number: number;
  /** `safety`: two holders are possible. `liveness`: stuck, orphaned or crashed. `usage`: the caller is misled. */
  readonly kind: 'safety' | 'liveness' | 'usage';
  readonly group: string;
  readonly name: string;
}

type Row = readonly [kind: Hazard['kind'], name: string];

const groups: readonly (readonly [group: string, rows: readonly Row[]])[] = [
  [
    'Redis, single node',
    [
      ['safety', 'unconditional DEL on release'],
      ['liveness', 'SETNX then EXPIRE, crash between'],
      ['safety', 'constant or weak owner value'],
      ['safety', 'token compared by prefix'],
      ['safety', "renewing somebody else's lock"],
      ['safety', 'renew resurrects an expired lock'],
      ['safety', 'expired holder releases or keeps the name after take-over (stale owner field)'],
      ['liveness', 'TTL 0, NaN, null, negative, fractional'],
      ['liveness', 'TTL over 2^31-1 ms in a timer'],
      ['liveness', 'hot loop for a small TTL'],
      ['safety', 'late SET: reply after the client timed out, orphan lock'],
      ['liveness', 'client resends SET NX after reconnect, gets nil for its own key'],
      ['liveness', 'reply lost and not resent: error although the key is set'],
      ['usage', 'release applied, reply lost, resend says "not owner"'],
      ['safety', 'release overtakes the acquire on another connection or node'],
      ['liveness', 'NOSCRIPT after restart, SCRIPT FLUSH or failover'],
      ['liveness', 'CROSSSLOT'],
      ['safety', 'undeclared keys in Lua'],
      ['safety', 'failover loses the lock (asynchronous replication)'],
      ['safety', 'restart without persistence, quorum re-granted'],
      ['safety', 'eviction under maxmemory'],
      ['safety', 'Redis TTL uses a wall clock'],
      ['safety', 'client clock decides expiry'],
      ['usage', '`isLocked()` returns false on a backend error'],
      ['liveness', 'lock key equals a data key'],
      ['liveness', 'multi-key release all-or-nothing'],
      ['liveness', 'command timeout shorter than blocking/offline queue'],
    ],
  ],
  [
    'Redlock',
    [
      ['safety', 'elapsed time / drift not deducted or not checked'],
      ['safety', 'same omission on extend'],
      ['liveness', 'no release on failed quorum, or not between attempts'],
      ['liveness', 'tie with an even number of nodes never resolves'],
      ['safety', 'Redlock applied to semaphores'],
      ['liveness', 'deciding vote waits on a dead node'],
      ['safety', 'quorum refresh re-acquires lost nodes'],
      ['safety', 'several "nodes" are one server'],
      ['safety', 'no fencing possible'],
    ],
  ],
  [
    'Waiting and waking',
    [
      ['liveness', 'missed wake-up: check, then subscribe'],
      ['liveness', 'pub/sub is at-most-once'],
      ['liveness', 'thundering herd on release'],
      ['liveness', "unsubscribing kills other waiters' subscription"],
      ['liveness', 'wait time counted twice'],
      ['liveness', 'cancelled waiter stays in the queue'],
      ['liveness', 'listener, promise or map entry per waiter leaks'],
      ['liveness', 'wrong predecessor in RW locks'],
    ],
  ],
  [
    'Watchdog and handle',
    [
      ['safety', 'holder believes it holds after TTL because the renew call hangs'],
      ['safety', 'loss announced late'],
      ['safety', 'validity counted from the reply, not the send'],
      ['safety', 'event-loop stall or GC longer than TTL'],
      ['safety', 'wall clock jump moves the local deadline'],
      ['liveness', "watchdog keeps a hung process's lock for ever"],
      ['liveness', 'one transient error ends renewal'],
      ['safety', 'renewal errors swallowed, no signal'],
      ['liveness', 'unhandled rejection from the watchdog'],
      ['safety', 'renew races release, watchdog outlives the lock'],
      ['liveness', "timers keep the process alive, or unref'ed ones let it exit holding"],
      ['usage', "release error hides the task's result or error"],
      ['liveness', 'acquiring twice on one object leaks the first hold'],
      ['liveness', 'renew interval too close to the TTL'],
      ['safety', 'capacity of the reentrancy identity: tasks in one process share it'],
      ['liveness', 'reentrant count and TTL: inner release drops or fails to renew the outer'],
      ['safety', 'fencing token read later instead of returned by acquire'],
      ['safety', 'token counter not monotonic: evicted, lost in failover, bumped on reentry, float precision'],
      ['safety', 'silent take-over by "restore"'],
    ],
  ],
  [
    'ZooKeeper',
    [
      ['liveness', 'node created, reply lost: orphan ephemeral ahead of us'],
      ['safety', "protected mode finds the dying session's node"],
      ['safety', 'client never learns of a silent partition'],
      ['safety', 'session expired unknown while disconnected'],
      ['safety', 'SUSPENDED treated as held'],
      ['liveness', 'SUSPENDED treated as lost, then node remains'],
      ['liveness', 'release during connection loss: local state cleared, node stays'],
      ['liveness', "herd: watching the parent's children"],
      ['safety', 'sequence counter overflow at 2^31-1, string compare'],
      ['liveness', 'exists() watch on a vanished predecessor leaks or never fires'],
      ['liveness', 'stale read from a follower'],
      ['liveness', 'parent znodes pile up / deleted under a waiter'],
      ['liveness', 'client object dead after expiry'],
    ],
  ],
  [
    'etcd',
    [
      ['safety', 'lock granted after own lease expired while waiting'],
      ['safety', 'lease locks cannot exclude in an asynchronous network'],
      ['liveness', 'keepalive stream stuck or silently closed'],
      ['liveness', 'acquire fails after the put: lease kept alive, ghost lock'],
      ['liveness', 'lease without renewer / default 60 s lease'],
      ['liveness', 'TTL unit seconds, minimum set by the server (may be raised)'],
      ['liveness', 'watch without revision misses the delete; compaction'],
    ],
  ],
  [
    'SQL, file, generic API',
    [
      ['safety', 'check-then-act with client time, GC pause between `now` and UPDATE'],
      ['liveness', 'every insert error treated as "locked"'],
      ['liveness', 'names: case, length, slash, unicode, empty'],
      ['usage', 'test suite skips what is not implemented'],
      ['usage', 'defaults differ by driver, so switching by configuration changes meaning'],
      ['liveness', 'circuit breaker in front of the lock'],
      ['liveness', 'LRU of lock objects evicts a held one'],
    ],
  ],
];

/** The catalogue of known lock bugs, by number from 1. New ones are appended to the last group. */
export const hazards: readonly Hazard[] = groups
  .flatMap(([group, rows]) => rows.map(([kind, name]) => ({ kind, group, name })))
  .map((hazard, index) => ({ number: index + 1, ...hazard }));
