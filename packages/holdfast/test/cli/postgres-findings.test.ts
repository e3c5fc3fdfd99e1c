import type { PostgresFacts } from '@holdfast/adapter-postgres';
import { expect, it } from 'vitest';
import { postgresFindings } from '../../src/cli/doctor/postgres-findings.ts';

const healthy: PostgresFacts = {
  ...{ version: '17.2', versionNumber: 170_002, isStandby: false, standbys: 0 },
  ...{ synchronousStandbys: '', synchronousCommit: 'on', fsync: true, isolation: 'read committed' },
  ...{ idleInTransactionMs: 30_000, throughPooler: false, notifyQueueUsage: 0, notifies: true },
  ...{ schemaVersion: 1, wantedVersion: 1, missingRights: [], tableBytes: 65_536, rows: 20 },
};
const declared = { survivesFailover: true };

it('a server on which nothing endangers the locks has no finding', () => {
  expect(postgresFindings(healthy, {})).toEqual([]);
  expect(postgresFindings({ ...healthy, synchronousStandbys: 'ANY 1 (a, b)', standbys: 2 }, declared)).toEqual([]);
  expect(
    postgresFindings({ ...healthy, isStandby: false, standbys: 0, notifies: undefined }, { pooler: true }),
  ).toEqual([]);
  // In session mode notifications arrive.
  expect(postgresFindings({ ...healthy, throughPooler: true }, {})).toEqual([]);
  // The connections of the adapter set their own.
  expect(postgresFindings({ ...healthy, isolation: 'serializable' }, {})).toEqual([]);
  expect(postgresFindings({ ...healthy, tableBytes: 2 ** 27, rows: 200_000 }, {})).toEqual([]);
});

it.each<[string, Partial<PostgresFacts>, object?]>([
  ['critical: PostgreSQL 12.22 is too old.', { version: '12.22', versionNumber: 120_022 }],
  ['critical: It is a standby.', { isStandby: true, notifies: undefined }],
  ['critical: fsync is off.', { fsync: false }],
  ['critical: The URL declares survivesFailover, but commits do not wait for a standby.', {}, declared],
  [
    'critical: The URL declares survivesFailover, but commits do not wait for a standby.',
    { synchronousStandbys: '*', synchronousCommit: 'local', standbys: 1 },
    declared,
  ],
  ['warning: Its standbys replicate asynchronously.', { standbys: 1 }],
  ['critical: The schema of the locks is missing.', { schemaVersion: undefined }],
  ['critical: The schema has version 2, but this version of holdfast needs version 1.', { schemaVersion: 2 }],
  [
    'critical: The user lacks rights: DELETE on lock, USAGE on token.',
    { missingRights: ['DELETE on lock', 'USAGE on token'] },
  ],
  [
    'critical: The default isolation level of this user is serializable.',
    { isolation: 'serializable' },
    { pooler: true },
  ],
  ['warning: There is a connection pooler in front of the server.', { throughPooler: true, notifies: false }],
  ['warning: Notifications do not arrive.', { notifies: false }],
  ['warning: The queue of NOTIFY is 62 % full.', { notifyQueueUsage: 0.62 }],
  ['warning: The queue of NOTIFY is 100 % full.', { notifyQueueUsage: 1, notifies: false }],
  ['note: idle_in_transaction_session_timeout is off.', { idleInTransactionMs: 0 }],
  ['warning: The tables of the locks take up 128 MiB for 20 rows.', { tableBytes: 2 ** 27 }],
])('finds: %s', (wanted, facts, options = {}) => {
  const findings = postgresFindings({ ...healthy, ...facts }, options);
  expect(findings.map(({ severity, what }) => `${severity}: ${what}`)).toEqual([wanted]);
  for (const { harm, remedy } of findings)
    expect([harm, remedy]).toEqual([expect.stringMatching(/\.$/), expect.stringMatching(/\.$/)]);
});
