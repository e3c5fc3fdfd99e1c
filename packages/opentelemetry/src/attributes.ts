/** The attributes of spans and metrics, by their names there. */
export const attributes = {
  /** Which adapter, e.g. `ioredis`. */
  adapter: 'holdfast.adapter',
  /** How it ended: the values stand in the README. */
  outcome: 'holdfast.outcome',
  /** How the lock came: `backend`, `hand-over` or `reentry`. */
  via: 'holdfast.via',
  key: 'holdfast.key',
  fencingToken: 'holdfast.fencing_token',
  ttl: 'holdfast.ttl',
  waited: 'holdfast.waited',
  stall: 'holdfast.stall',
  errorType: 'error.type',
} as const;
