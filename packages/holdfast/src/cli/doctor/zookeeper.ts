import { hostAndPort, withPorts } from '../../lock-url.ts';
import { shownDuration } from '../durations.ts';
import { at, critical, type Diagnosis, type Finding, hint, type ServerReport, warning } from './diagnosis.ts';
import { reasonOf } from './measure.ts';
import { membershipFindings } from './membership.ts';
import type { Target } from './target.ts';
import { inspectZookeeper } from './zookeeper-server.ts';
import { inspectSession, type SessionFacts } from './zookeeper-session.ts';

const defaultSessionTimeoutMs = 30_000;

/** Checks the servers of a ZooKeeper ensemble. */
export async function diagnoseZookeeper({ url, options }: Target): Promise<Diagnosis> {
  const nodes = withPorts(url, 2_181);
  const servers = await Promise.all(nodes.map(inspectZookeeper));
  if (servers.every(({ problem }) => problem !== undefined)) return { servers, findings: [] };
  const { username, password } = url;
  const credentials =
    username === undefined && password === undefined ? undefined : `${username ?? ''}:${password ?? ''}`;
  const wantedMs = Number(options.sessionTimeoutMs ?? defaultSessionTimeoutMs);
  const chroot = url.path === '' ? '' : `/${url.path.replace(/\/+$/, '')}`;
  const folders = [`${chroot}${String(options.prefix ?? '/locks')}`, chroot, ''];
  const session = await inspectSession(nodes.map(hostAndPort).join(','), wantedMs, credentials, folders).catch(
    reasonOf,
  );
  const clock = typeof session === 'string' ? undefined : session.clock;
  return {
    // Only the clock of the leader is visible.
    servers: servers.map((server) => (/leader|standalone/.test(server.role ?? '') ? { ...server, ...clock } : server)),
    findings: [
      ...servers.flatMap(serverFindings),
      ...majorityFindings(servers),
      ...(typeof session === 'string'
        ? [noSession(session)]
        : sessionFindings(session, wantedMs, nodes.length, servers)),
    ],
  };
}

function serverFindings({ address, version, problem }: ServerReport): Finding[] {
  if (problem !== undefined) return [];
  if (version === undefined) {
    return at(address, [
      hint(
        'The command srvr is not in 4lw.commands.whitelist.',
        'So its version and role are not shown here.',
        'Add it if you want to see them; locks do not need it.',
      ),
    ]);
  }
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 3 || (major === 3 && minor >= 5)) return [];
  return at(address, [
    warning(
      `ZooKeeper ${version} has no container nodes.`,
      'For every key that was ever locked, a node remains.',
      'Upgrade to 3.5 or later.',
    ),
  ]);
}

function majorityFindings(servers: readonly ServerReport[]): Finding[] {
  const up = servers.filter(({ problem }) => problem === undefined);
  const alone = up.filter(({ role }) => role === 'standalone');
  if (alone.length === 0 || servers.length === 1) return [];
  return [
    critical(
      `${alone.map(({ address }) => address).join(' and ')} ${alone.length === 1 ? 'runs' : 'run'} standalone and ${alone.length === 1 ? 'is' : 'are'} not part of an ensemble.`,
      'Each host in the URL grants locks by itself, so two processes can hold the same lock.',
      'Name the servers of one ensemble only.',
    ),
  ];
}

function noSession(reason: string): Finding {
  return critical(
    `No session could be opened: ${reason}.`,
    'No lock can be acquired.',
    'Check the credentials in the URL, and check that a majority of the servers is up.',
  );
}

function sessionFindings(
  { timeoutMs, voting }: SessionFacts,
  wantedMs: number,
  named: number,
  servers: readonly ServerReport[],
): Finding[] {
  const alone = servers.length === 1 && servers[0]!.role === 'standalone';
  const findings = membershipFindings('server', voting ?? (alone ? 1 : named), named);
  if (timeoutMs !== wantedMs) {
    const longer = timeoutMs > wantedMs;
    findings.push(
      warning(
        `The servers do not allow a session time-out of ${shownDuration(wantedMs)}; they grant ${shownDuration(timeoutMs)}.`,
        longer
          ? 'The locks of a crashed process become free later than you asked for.'
          : 'A stall that you meant to survive can cost the lock.',
        `Write ?sessionTimeout=${timeoutMs}ms in the URL, or set a ${longer ? 'lower minSessionTimeout (2 ticks by default)' : 'higher maxSessionTimeout (20 ticks by default)'} on the servers.`,
      ),
    );
  }
  return findings;
}
