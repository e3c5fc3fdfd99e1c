/** The names of the attributes of spans and metrics. */
export const attributes = {
  /** Which adapter, e.g. `ioredis`. */
  adapter: 'holdfast.adapter',
  /** How it ended; the README lists the values. */
  outcome: 'holdfast.outcome',
  /** How the lock was granted: `backend`, `hand-over` or `reentry`. */
  via: 'holdfast.via',
  key: 'holdfast.key',
  /** `exclusive`, `shared` or `permits`. */
  mode: 'holdfast.mode',
  /** The name of the process, and the owner ID, as `holdfast inspect` shows them. */
  holder: 'holdfast.holder',
  owner: 'holdfast.owner',
  fencingToken: 'holdfast.fencing_token',
  ttl: 'holdfast.ttl',
  waited: 'holdfast.waited',
  stall: 'holdfast.stall',
  warning: 'holdfast.warning',
  errorType: 'error.type',
} as const;
