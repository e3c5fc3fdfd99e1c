import { withPorts } from '../../lock-url.ts';
import { at, critical, type Diagnosis, type Finding, warning } from './diagnosis.ts';
import { type EtcdFacts, type EtcdMember, inspectEtcd } from './etcd-member.ts';
import { membershipFindings } from './membership.ts';
import type { Target } from './target.ts';

/** Checks the members of an etcd cluster. */
export async function diagnoseEtcd(target: Target): Promise<Diagnosis> {
  const members = await Promise.all(withPorts(target.url, 2_379).map((node) => inspectEtcd(target, node)));
  const facts = members.flatMap((member) => member.facts ?? []);
  const known = facts[0];
  return {
    servers: members.map(({ report }) => report),
    findings: [
      ...clusterFindings(facts),
      ...members.flatMap(memberFindings),
      ...(known === undefined ? [] : membershipFindings('member', known.members.length, members.length)),
      ...learnerFindings(known),
    ],
  };
}

function clusterFindings(facts: readonly EtcdFacts[]): Finding[] {
  if (new Set(facts.map(({ clusterId }) => clusterId)).size <= 1) return [];
  return [
    critical(
      'The hosts in the URL belong to different clusters.',
      'Each cluster grants the same lock, so two processes can hold it at once.',
      'Name the members of one cluster only.',
    ),
  ];
}

function memberFindings({ report: { address, version }, facts }: EtcdMember): Finding[] {
  if (facts === undefined) return [];
  const findings: Finding[] = [];
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  if (major < 3 || (major === 3 && minor < 4)) {
    findings.push(critical(`etcd ${version} is too old.`, 'Locks need version 3.4 or later.', 'Upgrade it.'));
  }
  if (facts.leader === undefined) {
    findings.push(
      critical(
        'It has no leader.',
        'No lock can be acquired or renewed: the cluster has no majority, or an election is in progress.',
        'Bring the other members back, or check again after the election.',
      ),
    );
  }
  for (const alarm of new Set(facts.alarms)) {
    findings.push(
      critical(
        `The ${alarm} alarm is active.`,
        alarm === 'NOSPACE' ? 'It accepts no writes, so no lock can be acquired.' : 'Its data may be corrupt.',
        alarm === 'NOSPACE' ? 'Compact and defragment it, then run etcdctl alarm disarm.' : 'Replace the member.',
      ),
    );
  }
  return at(address, findings);
}

function learnerFindings(facts: EtcdFacts | undefined): Finding[] {
  const learners = facts?.members.filter(({ learner }) => learner) ?? [];
  if (learners.length === 0) return [];
  const what = `${learners.length === 1 ? 'One member is a learner' : `${learners.length} members are learners`}.`;
  return [
    warning(
      what,
      'A learner has no vote, so it does not help the cluster to survive a failure.',
      'Promote it when it has caught up.',
    ),
  ];
}
