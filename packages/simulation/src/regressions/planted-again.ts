import { fault, inClaims, type Regression } from './regression.ts';

/** Faults that were planted later, of kinds that the others do not have. */
export const plantedAgainRegressions: readonly Regression[] = [
  fault(
    'memory',
    'a reader that is not renewed has the lock for as long as another one keeps it',
    'lock-core/lease.ts',
    'else hold.leaseEndsAt = Math.min(this.deadline, now + ttlMs);',
    '',
  ),
  fault(
    'memory',
    'the signal of a group says nothing of a loss',
    'lock-core/lock-group.ts',
    'loss.controller.abort(signal.reason);',
    '',
  ),
  fault(
    'memory',
    'a nested request for permits re-enters those of its owner',
    'lock-core/lease.ts',
    "hold !== undefined && hold.mode === 'exclusive' && isWithin",
    'hold !== undefined && isWithin',
  ),
  fault(
    'redis',
    'Redis queue: permits do not come back when their lease is over',
    'redis-protocol/lua/queue.lua',
    "used = used - (info and tonumber(string.match(info, '^%d+')) or 0)",
    'used = used - 0',
    inClaims,
  ),
  fault(
    'postgres',
    'PostgreSQL: a lock that a transaction has pinned passes on at the end of its lease',
    'adapter-postgres/sql/grants.ts',
    'IF l.expires_at > clock_timestamp() OR NOT holdfast.is_unpinned(k) THEN',
    'IF l.expires_at > clock_timestamp() THEN',
  ),
  fault(
    'redlock',
    'Redlock: a renewal that finds too few votes leaves those that it found',
    'adapter-redlock/protocol/quorum.ts',
    'if (renewed === false) withdrawRound(context, votes[i]!);',
    '',
    inClaims,
  ),
];
