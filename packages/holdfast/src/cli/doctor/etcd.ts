import { withPorts } from '../../lock-url.ts';
import { at, type Diagnosis, danger, type Finding, warning } from './diagnosis.ts';
import { type EtcdFacts, type EtcdMember, inspectEtcd } from './etcd-member.ts';
import { membershipFindings } from './membership.ts';
import type { Target } from './target.ts';

/** Looks at the members of an etcd cluster. */
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
    danger(
      'The hosts of the URL belong to different clusters.',
      'Each cluster grants the same lock: two holders, depending on which host answers.',
      'Name the members of one cluster.',
    ),
  ];
}

function memberFindings({ report: { address, version }, facts }: EtcdMember): Finding[] {
  if (facts === undefined) return [];
  const findings: Finding[] = [];
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  if (major < 3 || (major === 3 && minor < 4)) {
    findings.push(danger(`etcd ${version} is too old.`, 'Acquiring a lock needs 3.4 or newer.', 'Upgrade it.'));
  }
  if (facts.leader === undefined) {
    findings.push(
      danger(
        'It knows no leader.',
        'No lock can be acquired or renewed: there is no majority, or an election is going on.',
        'Bring the other members back; check again when the election is over.',
      ),
    );
  }
  for (const alarm of new Set(facts.alarms)) {
    findings.push(
      danger(
        `The alarm ${alarm} is raised.`,
        alarm === 'NOSPACE' ? 'It takes no writes, so no lock can be acquired.' : 'Its data cannot be trusted.',
        alarm === 'NOSPACE'
          ? 'Compact, defragment, and disarm the alarm (etcdctl alarm disarm).'
          : 'Replace the member.',
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
    warning(what, 'It has no vote, so it does not help to survive a failure.', 'Promote it when it has caught up.'),
  ];
}
