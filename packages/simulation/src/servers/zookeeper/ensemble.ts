import type { Machine } from '../../engine/machine.ts';
import type { World } from '../../engine/world.ts';
import type { Random } from '../../random.ts';
import { errors } from './answers.ts';
import { createElections } from './elections.ts';
import { createFront } from './front.ts';
import { createMember, follows, type Member } from './member.ts';
import { prepare, type Write } from './prepare.ts';
import { container, type Transaction, Tree } from './tree.ts';

export interface EnsembleTerms {
  readonly world: World;
  readonly random: Random;
  readonly machines: readonly Machine[];
  readonly tickMs: number;
  /** After how many ticks without a word servers give each other up. */
  readonly syncLimit: number;
  /** The session time-outs that are granted. */
  readonly leastTimeoutMs: number;
  readonly mostTimeoutMs: number;
  /** How often empty containers are looked for. */
  readonly containerCheckMs: number;
  /** How long a message from server to server takes. */
  delayMs(): number;
  /** How much later than the leader a follower has a transaction. */
  lagMs(): number;
}

/** Some servers of ZooKeeper that agree on one sequence of transactions. */
export interface Ensemble {
  readonly members: readonly Member[];
  /** The newest data that a server knows to be committed. */
  readonly truth: Tree;
  /** The leader gives up, and others may be elected after so long. */
  changeLeader(ms: number): void;
  /** A server is cut off from the others. */
  isolate(server: number, ms: number): void;
  /** A server falls behind. */
  lag(server: number, ms: number): void;
  /** All servers start again without their data. */
  forget(): void;
  /** The leader ends a session now. */
  expire(session: bigint): void;
  heal(): void;
}

/** How messages go from server to server: in order, and void once either has left the ensemble. */
export type Link = (from: Member, to: Member, run: () => void) => void;

export function createEnsemble(terms: EnsembleTerms): Ensemble {
  const { world } = terms;
  const arrivals = new Map<string, number>();
  let nextId = 1;

  const members = terms.machines.map((machine, index) =>
    createMember(index, {
      machine,
      isUp: true,
      accept: (connection) => members[index]!.front.accept(connection),
    }),
  );

  const link: Link = (from, to, run) => {
    const generations = [from.generation, to.generation];
    const way = `${from.index}>${to.index}`;
    const isolatedUntil = Math.max(from.isolatedUntil, to.isolatedUntil);
    const at = Math.max((arrivals.get(way) ?? 0) + 0.001, isolatedUntil, world.now + terms.delayMs());
    arrivals.set(way, at);
    const isVoid = (): boolean => from.generation !== generations[0] || to.generation !== generations[1];
    world.at(at, () => {
      if (isVoid()) return;
      // What a server misses while it is down, it has to catch up with.
      if (!to.host.isUp) return elections.leave(to);
      to.host.machine.receive(() => {
        if (!isVoid()) run();
      });
    });
  };

  const elections = createElections({ ...terms, members, link, apply });

  function submit(from: Member, write: Write): void {
    const { leader } = from;
    if (leader === from) decide(from, write);
    else if (leader !== undefined && follows(from, leader)) link(from, leader, () => decide(leader, write));
  }

  function decide(leader: Member, write: Write): void {
    const { sessions, prepared } = leader.leading!;
    const { session, server, operation } = write;
    const now = leader.host.machine.now();
    if (operation.kind === 'createSession') {
      sessions.add(session, operation.timeoutMs, now);
      sessions.setOwner(session, server);
    }
    const refusal = sessions.check(session, server);
    if (refusal !== undefined) {
      const error = refusal === 'moved' ? errors.sessionMoved : errors.sessionExpired;
      return propose(leader, { change: { kind: 'none' }, error, request: write.id });
    }
    if (operation.kind === 'closeSession') sessions.close(session);
    propose(leader, { ...prepare(write, prepared), request: write.id });
  }

  function propose(leader: Member, decision: Omit<Transaction, 'zxid' | 'time'>): void {
    const { leading } = leader;
    leading!.zxid += 1;
    const transaction = { ...decision, zxid: leading!.zxid, time: Math.floor(leader.host.machine.wallNow()) };
    leading!.prepared.apply(transaction, () => {});
    leader.log.push(transaction);
    for (const member of members) if (follows(member, leader)) replicate(leader, member, transaction);
    advance(leader);
  }

  function replicate(leader: Member, follower: Member, transaction: Transaction): void {
    link(leader, follower, () => {
      follower.log.push(transaction);
      const position = follower.log.length;
      link(follower, leader, () => {
        leader.leading!.acknowledged.set(follower, position);
        advance(leader);
      });
    });
  }

  /** Commits what a majority has. */
  function advance(leader: Member): void {
    const positions = members.map((member) =>
      member === leader ? leader.log.length : (leader.leading!.acknowledged.get(member) ?? 0),
    );
    const agreed = positions.sort((a, b) => b - a)[Math.floor(members.length / 2)]!;
    if (agreed <= leader.committed) return;
    for (const follower of members) {
      if (follows(follower, leader)) link(leader, follower, () => applyLater(follower, agreed));
    }
    apply(leader, agreed);
  }

  function applyLater(follower: Member, position: number): void {
    const { generation } = follower;
    const at = Math.max(follower.appliesAt, follower.laggingUntil, world.now + terms.lagMs());
    follower.appliesAt = at;
    world.at(at, () =>
      follower.host.machine.receive(() => {
        if (follower.generation === generation) apply(follower, position);
      }),
    );
  }

  /** Lets transactions take effect at a server, which then tells its clients. */
  function apply(member: Member, position: number): void {
    while (member.committed < position) {
      const transaction = member.log[member.committed]!;
      member.committed += 1;
      member.tree.apply(transaction, member.front.fire);
      if (transaction.change.kind === 'closeSession') member.leading?.sessions.remove(transaction.change.session);
      member.front.applied(transaction);
    }
  }

  function revalidate(member: Member, session: bigint, done: (isValid: boolean) => void): void {
    const { leader } = member;
    if (leader?.leading === undefined) return;
    const ask = (): boolean => {
      const { sessions } = leader.leading!;
      sessions.setOwner(session, member.index);
      return sessions.touch(session, leader.host.machine.now());
    };
    if (leader === member) return done(ask());
    if (!follows(member, leader)) return;
    link(member, leader, () => {
      const isValid = ask();
      link(leader, member, () => done(isValid));
    });
  }

  function touch(member: Member, session: bigint): void {
    if (member.leading !== undefined) member.leading.sessions.touch(session, member.host.machine.now());
    else member.touched.add(session);
  }

  const closeSession = (leader: Member, session: bigint): void => {
    leader.leading!.sessions.close(session);
    propose(leader, { change: { kind: 'closeSession', session }, error: errors.none, request: undefined });
  };

  /** What a leader does at every half tick, beside hearing from its followers. */
  function tend(leader: Member): void {
    const now = leader.host.machine.now();
    const leading = leader.leading!;
    for (const session of leading.sessions.overdue(now)) closeSession(leader, session);
    if (now - leading.containersCheckedAt < terms.containerCheckMs) return;
    leading.containersCheckedAt = now;
    for (const [path, node] of [...leading.prepared.nodes]) {
      if (node.ephemeralOwner !== container || node.created === 0 || node.children.size > 0) continue;
      propose(leader, { change: { kind: 'delete', path }, error: errors.none, request: undefined });
    }
  }

  for (const member of members) {
    member.front = createFront({
      index: member.index,
      machine: member.host.machine,
      leastTimeoutMs: terms.leastTimeoutMs,
      mostTimeoutMs: terms.mostTimeoutMs,
      tree: () => member.tree,
      isServing: () => member.role !== 'looking' && member.host.isUp,
      nextId: () => nextId++,
      submit: (write) => submit(member, write),
      revalidate: (session, done) => revalidate(member, session, done),
      touch: (session) => touch(member, session),
      refusal: (session) => member.leading?.sessions.check(session, member.index),
    });
  }
  elections.start(tend);

  return {
    members,
    get truth() {
      return members.reduce((newest, { tree }) => (tree.zxid > newest.zxid ? tree : newest), members[0]!.tree);
    },
    changeLeader: elections.changeLeader,
    isolate(server, ms) {
      const member = members[server]!;
      member.isolatedUntil = Math.max(member.isolatedUntil, world.now + ms);
    },
    lag(server, ms) {
      const member = members[server]!;
      member.laggingUntil = Math.max(member.laggingUntil, world.now + ms);
    },
    forget() {
      for (const member of members) {
        elections.leave(member);
        Object.assign(member, { log: [], committed: 0, tree: new Tree(), epoch: 0 });
      }
      elections.forget();
    },
    expire(session) {
      for (const member of members) if (member.role === 'leading') closeSession(member, session);
    },
    heal() {
      for (const member of members) Object.assign(member, { isolatedUntil: 0, laggingUntil: 0 });
      elections.heal();
    },
  };
}
