import type { PostgresFacts } from '@holdfast/adapter-postgres';
import { critical, type Finding, hint, warning } from './diagnosis.ts';

interface Declared {
  readonly survivesFailover?: boolean | undefined;
  readonly pooler?: boolean | undefined;
}

/** What endangers the locks, or slows them, on a server with these facts. */
export function postgresFindings(facts: PostgresFacts, declared: Declared): Finding[] {
  return [
    ...serverFindings(facts, declared.survivesFailover === true),
    ...useFindings(facts, declared),
    ...noticeFindings(facts, declared),
  ];
}

function serverFindings(facts: PostgresFacts, declared: boolean): Finding[] {
  const { versionNumber, version, isStandby, standbys, synchronousStandbys, synchronousCommit, fsync } = facts;
  const findings: Finding[] = [];
  if (versionNumber < 130_000) {
    findings.push(critical(`PostgreSQL ${version} is too old.`, 'Locks need version 13 or later.', 'Upgrade it.'));
  }
  if (isStandby) {
    findings.push(
      critical('It is a standby.', 'It accepts no writes, so no lock can be acquired.', 'Name the primary in the URL.'),
    );
  }
  if (!fsync) {
    findings.push(
      critical(
        'fsync is off.',
        'If the machine crashes, locks may be forgotten while they are held, and granted to others.',
        'Set fsync = on.',
      ),
    );
  }
  const waits = synchronousStandbys !== '' && !['off', 'local'].includes(synchronousCommit);
  if (declared && !waits) {
    findings.push(
      critical(
        'The URL declares survivesFailover, but commits do not wait for a standby.',
        'A promoted standby may not know the latest grants, so two owners can hold the same lock.',
        'Set synchronous_standby_names, and set synchronous_commit to on; or remove survivesFailover from the URL.',
      ),
    );
  } else if (standbys > 0 && !waits) {
    findings.push(
      warning(
        'Its standbys replicate asynchronously.',
        'A failover may lose the latest grants, so two owners can hold the same lock until the first one notices.',
        'Set synchronous_standby_names and declare survivesFailover in the URL, or check fencing tokens where you write.',
      ),
    );
  }
  return findings;
}

function useFindings(facts: PostgresFacts, { pooler = false }: Declared): Finding[] {
  const findings: Finding[] = [];
  if (facts.schemaVersion === undefined) {
    findings.push(
      critical('The schema of the locks is missing.', 'No lock can be acquired.', 'Run holdfast setup <url>.'),
    );
  } else if (facts.schemaVersion !== facts.wantedVersion) {
    findings.push(
      critical(
        `The schema has version ${facts.schemaVersion}, but this version of holdfast needs version ${facts.wantedVersion}.`,
        'No lock can be acquired.',
        'Upgrade all packages to the newer version, and run its holdfast setup <url>.',
      ),
    );
  }
  if (facts.missingRights.length > 0) {
    findings.push(
      critical(
        `The user lacks rights: ${facts.missingRights.join(', ')}.`,
        'Some or all locks fail with LOCK_BACKEND.',
        'Grant the rights that docs/postgres.md lists.',
      ),
    );
  }
  if (facts.isolation !== 'read committed') {
    const what = `The default isolation level of this user is ${facts.isolation}.`;
    if (pooler) {
      findings.push(
        critical(
          what,
          'Every request for a lock is refused.',
          "Run ALTER ROLE … SET default_transaction_isolation = 'read committed'.",
        ),
      );
    }
  }
  if (facts.idleInTransactionMs === 0) {
    findings.push(
      hint(
        'idle_in_transaction_session_timeout is off.',
        'A process that stalls after assertIn keeps its key for as long as it stalls.',
        "Run ALTER ROLE … SET idle_in_transaction_session_timeout = '30s'.",
      ),
    );
  }
  if (facts.tableBytes > 64 * 2 ** 20 && facts.tableBytes > 2_000 * Math.max(1, facts.rows)) {
    findings.push(
      warning(
        `The tables of the locks take up ${Math.round(facts.tableBytes / 2 ** 20)} MiB for ${facts.rows} rows.`,
        'Every request reads dead rows. A transaction that stays open for a long time keeps them from being removed.',
        'End long transactions, then run VACUUM FULL on the tables when few locks are in use.',
      ),
    );
  }
  return findings;
}

function noticeFindings({ throughPooler, notifies, notifyQueueUsage }: PostgresFacts, { pooler }: Declared): Finding[] {
  const late = 'a waiter may get its lock up to a second late.';
  const findings: Finding[] = [];
  if (notifyQueueUsage >= 0.5) {
    findings.push(
      warning(
        `The queue of NOTIFY is ${Math.round(notifyQueueUsage * 100)} % full.`,
        `From 90 % on, no waiter is told of its lock, so ${late} Once it is full, other applications cannot send notifications.`,
        'End the session that listens and does not end its transaction: one of those that are idle in transaction in pg_stat_activity.',
      ),
    );
  }
  if (pooler || notifies === true) return findings;
  if (throughPooler) {
    findings.push(
      warning(
        'There is a connection pooler in front of the server.',
        `In transaction mode, a pooler passes on no notifications, so ${late}`,
        'Add pooler=true to the URL, or connect to the server directly.',
      ),
    );
  } else if (notifies === false && notifyQueueUsage < 0.9) {
    findings.push(
      warning(
        'Notifications do not arrive.',
        `No waiter is told of its lock, so ${late}`,
        'Look for a proxy in between that drops them; or add pooler=true to the URL, so that waiters ask every 50 ms.',
      ),
    );
  }
  return findings;
}
