import type { PostgresFacts } from '@holdfast/adapter-postgres';
import { hostAndPort, withPorts } from '../../lock-url.ts';
import { objectNames } from '../../options.ts';
import { postgresTarget } from '../../postgres-target.ts';
import { schemes } from '../../schemes.ts';
import { at, type Diagnosis, danger, type Finding, hint, warning } from './diagnosis.ts';
import { clockOffset, inTime, reasonOf, roundTrip } from './measure.ts';
import type { Target } from './target.ts';

/** Looks at a PostgreSQL server, and at the schema of the locks. */
export async function diagnosePostgres({ url, options: all }: Target): Promise<Diagnosis> {
  const { openFacts } = await import('@holdfast/adapter-postgres');
  const own = objectNames(schemes[url.scheme]!.options);
  const given = Object.fromEntries(Object.entries(all).filter(([name]) => own.includes(name)));
  const { target, options } = postgresTarget(url, given);
  const address = hostAndPort(withPorts(url, 5_432)[0]!);
  const server = openFacts(target, options);
  try {
    return await inTime(async () => {
      const facts = await server.facts();
      const clock = await clockOffset(() => server.timeMs());
      const roundTripMs = await roundTrip(() => server.timeMs());
      const role = facts.isStandby ? 'standby' : facts.standbys > 0 ? 'primary' : 'single';
      return {
        servers: [{ address, role, version: facts.version, roundTripMs, ...clock }],
        findings: at(address, [
          ...serverFindings(facts, options.survivesFailover === true),
          ...useFindings(facts, options),
        ]),
      };
    });
  } catch (error) {
    return { servers: [{ address, problem: reasonOf(error) }], findings: [] };
  } finally {
    await server.close();
  }
}

function serverFindings(facts: PostgresFacts, declared: boolean): Finding[] {
  const { versionNumber, version, isStandby, standbys, synchronousStandbys, synchronousCommit, fsync } = facts;
  const findings: Finding[] = [];
  if (versionNumber < 130_000) {
    findings.push(danger(`PostgreSQL ${version} is too old.`, 'The locks need 13 or newer.', 'Upgrade it.'));
  }
  if (isStandby) {
    findings.push(
      danger('It is a standby.', 'It takes no writes, so no lock can be acquired.', 'Name the primary in the URL.'),
    );
  }
  if (!fsync) {
    findings.push(
      danger(
        'fsync is off.',
        'After a crash of the machine, a lock that was granted may be granted again.',
        'Set fsync = on.',
      ),
    );
  }
  const waits = synchronousStandbys !== '' && !['off', 'local'].includes(synchronousCommit);
  if (declared && !waits) {
    findings.push(
      danger(
        'The URL says survivesFailover, and no commit waits for a standby.',
        'A standby that is promoted may not know the last grants: two owners hold one lock.',
        'Set synchronous_standby_names, and synchronous_commit to on; or leave survivesFailover out.',
      ),
    );
  } else if (standbys > 0 && !waits) {
    findings.push(
      warning(
        'Its standbys replicate asynchronously.',
        'A failover may forget the last grants, and two owners then hold one lock until the first notices.',
        'Set synchronous_standby_names and declare survivesFailover; or check fencing tokens where you write.',
      ),
    );
  }
  return findings;
}

function useFindings(facts: PostgresFacts, { pooler = false }: { readonly pooler?: boolean | undefined }): Finding[] {
  const findings: Finding[] = [];
  if (facts.schemaVersion === undefined) {
    findings.push(
      danger('The schema of the locks is missing.', 'No lock can be acquired.', 'Run holdfast setup <url>.'),
    );
  } else if (facts.schemaVersion !== facts.wantedVersion) {
    findings.push(
      danger(
        `The schema has version ${facts.schemaVersion}, and this holdfast uses version ${facts.wantedVersion}.`,
        'No lock can be acquired.',
        'Run holdfast setup <url> of the newer one, and upgrade the older packages.',
      ),
    );
  }
  if (facts.missingRights.length > 0) {
    findings.push(
      danger(
        `The user lacks rights: ${facts.missingRights.join(', ')}.`,
        'Some locks, or all, fail with LOCK_BACKEND.',
        'Grant what docs/postgres.md lists.',
      ),
    );
  }
  if (facts.isolation !== 'read committed') {
    const what = `The default isolation level of the user is ${facts.isolation}.`;
    if (pooler) {
      findings.push(
        danger(
          what,
          'Every request for a lock is refused.',
          "ALTER ROLE … SET default_transaction_isolation = 'read committed'.",
        ),
      );
    }
  }
  if (facts.throughPooler && !pooler) {
    findings.push(
      warning(
        'A pooler stands before the server.',
        'In transaction mode, no notification arrives: a waiter may get its lock a second late.',
        'Add pooler=true to the URL, or connect to the server directly.',
      ),
    );
  }
  if (facts.idleInTransactionMs === 0) {
    findings.push(
      hint(
        'idle_in_transaction_session_timeout is off.',
        'A process that is paused after assertIn keeps its key for as long as it is paused.',
        "ALTER ROLE … SET idle_in_transaction_session_timeout = '30s'.",
      ),
    );
  }
  if (facts.tableBytes > 64 * 2 ** 20 && facts.tableBytes > 2_000 * Math.max(1, facts.rows)) {
    findings.push(
      warning(
        `The tables of the locks take ${Math.round(facts.tableBytes / 2 ** 20)} MiB for ${facts.rows} rows.`,
        'Every request reads dead rows; a transaction that is open for very long keeps them from being removed.',
        'End long transactions, and VACUUM FULL the tables when few locks are used.',
      ),
    );
  }
  return findings;
}
