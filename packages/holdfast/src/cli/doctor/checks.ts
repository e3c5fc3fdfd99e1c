import { isLockError } from '@holdfast/lock-core';
import { reasonFromServers } from '../../server-answer.ts';
import { clockFindings } from './clock.ts';
import { type CurrentHolds, listHolds } from './current-holds.ts';
import { critical, type Diagnosis, type Finding, merged } from './diagnosis.ts';
import type { Target } from './target.ts';
import { tryLock } from './trial.ts';

/** The result of all checks of a backend. */
export interface CheckResult extends Diagnosis {
  /** How long acquiring and releasing a lock takes; `undefined` if that failed. */
  readonly lockMs: number | undefined;
  /** Who holds what now; `undefined` if that could not be read. */
  readonly holds?: CurrentHolds | undefined;
}

/** Checks the servers of a lock URL, then acquires a lock there. @throws LockError LOCK_UNSUPPORTED without its package */
export async function runChecks(target: Target): Promise<CheckResult> {
  const diagnosis = await diagnose(target);
  if (isAway(diagnosis)) {
    return { ...diagnosis, findings: [...diagnosis.findings, ...(await refusalFindings(target))], lockMs: undefined };
  }
  const trial = await tryLock(target).catch((error: unknown) => {
    if (!isLockError(error) || error.code === 'LOCK_UNSUPPORTED') throw error;
    return { lockMs: undefined, findings: [failedTrial(error.message)] };
  });
  const holds = trial.lockMs === undefined ? undefined : await listHolds(target);
  const findings = merged([...diagnosis.findings, ...clockFindings(diagnosis.servers), ...trial.findings]);
  return { servers: diagnosis.servers, findings, lockMs: trial.lockMs, holds };
}

async function refusalFindings({ tls, url }: Target): Promise<Finding[]> {
  const refusal = await reasonFromServers(tls.servers, tls.wanted, url);
  return refusal === undefined
    ? []
    : [critical(`The server ${refusal.what}`, 'No application can acquire a lock there.', refusal.remedy)];
}

/** Whether no server answered. */
export function isAway({ servers }: Diagnosis): boolean {
  return servers.length > 0 && servers.every(({ problem }) => problem !== undefined);
}

/** Checks the servers of a lock URL, each kind in its own way. */
export async function diagnose(target: Target): Promise<Diagnosis> {
  const { scheme } = target.url;
  if (scheme === 'memory') return { servers: [], findings: [inMemory] };
  if (scheme === 'zookeeper') return (await import('./zookeeper.ts')).diagnoseZookeeper(target);
  if (scheme === 'etcd') return (await import('./etcd.ts')).diagnoseEtcd(target);
  if (scheme.startsWith('postgres')) return (await import('./postgres.ts')).diagnosePostgres(target);
  if (scheme.startsWith('redlock')) return (await import('./redlock.ts')).diagnoseRedlock(target);
  return (await import('./redis.ts')).diagnoseRedis(target);
}

const inMemory: Finding = critical(
  'memory: is separate in each process.',
  'Its locks exclude only the tasks of one process.',
  'Use any other backend as soon as you have two processes.',
);

function failedTrial(message: string): Finding {
  return critical(
    `No lock can be acquired: ${message}`,
    'Applications will fail in the same way.',
    'Remove the cause that the message names.',
  );
}
