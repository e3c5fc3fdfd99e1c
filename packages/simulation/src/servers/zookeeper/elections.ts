import type { EnsembleTerms, Link } from './ensemble.ts';
import { follows, type Member } from './member.ts';
import { createSessionTracker } from './sessions.ts';

interface ElectionTerms extends EnsembleTerms {
  readonly members: readonly Member[];
  readonly link: Link;
  apply(member: Member, position: number): void;
}

/** Who leads, and who follows. */
export interface Elections {
  /** Elects the first leader, and has `tend` called at every half tick of a leader. */
  start(tend: (leader: Member) => void): void;
  /** A server is no longer part of the ensemble, and looks for a leader. */
  leave(member: Member): void;
  changeLeader(ms: number): void;
  forget(): void;
  heal(): void;
}

/** In a number of 64 bits, the upper half of a transaction's number is the epoch. */
const epochUnit = 2 ** 32;

export function createElections(terms: ElectionTerms): Elections {
  const { world, random, members, tickMs, link } = terms;
  const silenceMs = terms.syncLimit * tickMs;
  let epoch = 0;
  let electAt: number | undefined;
  /** No election before. */
  let blockedUntil = 0;

  const now = (member: Member): number => member.host.machine.now();
  const isIsolated = ({ isolatedUntil }: Member): boolean => world.now < isolatedUntil;
  const isReachable = (member: Member): boolean =>
    member.host.isUp && member.host.machine.state === 'running' && !isIsolated(member);

  function leave(member: Member): void {
    if (member.role === 'looking') return;
    const followers = members.filter((other) => follows(other, member));
    // It may lose what it has acknowledged once it follows another.
    member.leader?.leading?.acknowledged.delete(member);
    member.leader?.leading?.heardAt.delete(member);
    member.role = 'looking';
    member.leader = undefined;
    member.leading = undefined;
    member.generation += 1;
    member.touched.clear();
    member.front.stop();
    // They see that their connection to it ends, if they see anything of it.
    for (const follower of followers) {
      const { generation } = follower;
      if (isIsolated(member) || isIsolated(follower)) continue;
      world.after(terms.delayMs(), () =>
        follower.host.machine.receive(() => {
          if (follower.generation === generation) leave(follower);
        }),
      );
    }
  }

  function elect(candidates: readonly Member[]): void {
    const last = ({ log }: Member): number => log.at(-1)?.zxid ?? 0;
    const best = Math.max(...candidates.map(last));
    const leader = random.pick(candidates.filter((member) => last(member) === best));
    epoch += 1;
    electAt = undefined;
    leader.role = 'leading';
    leader.leader = leader;
    leader.generation += 1;
    leader.epoch = epoch;
    // Whatever it has, the majority that elected it has after it: so all of it is committed.
    terms.apply(leader, leader.log.length);
    const sessions = createSessionTracker(tickMs);
    for (const [session, timeoutMs] of leader.tree.sessions) sessions.add(session, timeoutMs, now(leader));
    leader.leading = {
      prepared: leader.tree.copy(),
      sessions,
      acknowledged: new Map(),
      heardAt: new Map(),
      zxid: epoch * epochUnit,
      containersCheckedAt: now(leader),
    };
    for (const member of candidates) if (member !== leader) join(member, leader);
  }

  /** It gets what the leader has, and gives up what the leader does not have. */
  function join(member: Member, leader: Member): void {
    member.role = 'following';
    member.leader = leader;
    member.epoch = leader.epoch;
    member.generation += 1;
    member.log = [...leader.log];
    member.heardAt = now(member);
    member.appliesAt = 0;
    terms.apply(member, leader.committed);
    leader.leading!.acknowledged.set(member, member.log.length);
    leader.leading!.heardAt.set(member, now(leader));
  }

  function seek(member: Member): void {
    if (isIsolated(member)) return;
    const leader = members.find(
      (other) => other.role === 'leading' && isReachable(other) && other.epoch >= member.epoch,
    );
    if (leader !== undefined) return join(member, leader);
    electAt ??= world.now + random.spread(20, 2 * tickMs);
    if (world.now < Math.max(electAt, blockedUntil)) return;
    const candidates = members.filter((other) => other.role === 'looking' && isReachable(other));
    if (candidates.length > members.length / 2) elect(candidates);
  }

  function lead(leader: Member, tend: (leader: Member) => void): void {
    const { heardAt, sessions } = leader.leading!;
    const followers = members.filter((member) => follows(member, leader));
    const heard = members.filter(
      (member) => now(leader) - (heardAt.get(member) ?? Number.NEGATIVE_INFINITY) <= silenceMs,
    );
    if (heard.length + 1 <= members.length / 2) return leave(leader);
    for (const follower of followers) {
      link(leader, follower, () => {
        follower.heardAt = now(follower);
        const touched = [...follower.touched];
        follower.touched.clear();
        link(follower, leader, () => {
          heardAt.set(follower, now(leader));
          for (const session of touched) sessions.touch(session, now(leader));
        });
      });
    }
    tend(leader);
  }

  function look(member: Member, tend: (leader: Member) => void): void {
    if (!member.host.isUp) return leave(member);
    if (member.role === 'leading') return lead(member, tend);
    if (member.role === 'following' && now(member) - member.heardAt > silenceMs) leave(member);
    if (member.role === 'looking') seek(member);
  }

  /** Without sessions, and with all servers well, nothing comes of their looking; it is left out to save time. */
  function isQuiet(): boolean {
    const leader = members.find(({ role }) => role === 'leading');
    if (leader === undefined || leader.tree.sessions.size > 0 || leader.committed < leader.log.length) return false;
    return members.every((member) => isReachable(member) && (member === leader || follows(member, leader)));
  }

  function hearAll(): void {
    for (const member of members) {
      member.heardAt = now(member);
      for (const heard of member.leading?.heardAt.keys() ?? []) member.leading!.heardAt.set(heard, now(member));
    }
  }

  return {
    start(tend) {
      elect(members);
      const turn = (): void => {
        const isOff = isQuiet();
        if (isOff) hearAll();
        for (const member of isOff ? [] : members) {
          const { machine } = member.host;
          if (machine.state === 'running') member.looksFirst = random.chance(0.5);
          if (member.isLooking || (machine.state === 'paused' && !member.looksFirst)) continue;
          member.isLooking = true;
          machine.receive(() => {
            member.isLooking = false;
            look(member, tend);
          });
        }
        world.after(tickMs / 2, turn);
      };
      world.after(tickMs / 2, turn);
    },
    leave,
    changeLeader(ms) {
      blockedUntil = world.now + ms;
      for (const member of members) if (member.role === 'leading') leave(member);
    },
    forget() {
      epoch = 0;
    },
    heal() {
      blockedUntil = 0;
    },
  };
}
