import { createMachine, type Machine } from '../../engine/machine.ts';
import type { Network } from '../../engine/network.ts';
import type { Scheduled, World } from '../../engine/world.ts';
import { acceptCalls } from './grpc-server.ts';
import { createLeases } from './leases.ts';
import { createMember, type Member } from './members.ts';
import { Refusal, unavailable } from './messages.ts';
import type { Call, State } from './requests.ts';
import { createStore } from './store.ts';
import { createUsers } from './users.ts';

/** A cluster of etcd: one state that all members agree on, and a member that leads. */
export interface Cluster {
  readonly state: State;
  readonly members: readonly Member[];
  /** The member that leads, or that led last. */
  readonly leader: Member;
  readonly hasLeader: boolean;
  /** For so long nobody leads; then some member does. */
  loseLeader(ms: number): void;
  cutOff(member: Member, ms: number): void;
  /** History is forgotten now, and for so long soon after each write. */
  compact(ms: number): void;
  /** Nothing is lost of what a member has to do: it waits for a leader if need be, and fails after some seconds. */
  propose(member: Member, run: () => void, fail: (refusal: Refusal) => void): void;
  /** The leases have changed: some may end sooner than was known. */
  watchLeases(): void;
  /** Runs when leases have ended, or are minded again. */
  afterExpiry(run: () => void): void;
  readonly onRequest: ClusterTerms['onRequest'];
}

export interface ClusterTerms {
  readonly members: number;
  readonly rateOf: (member: number) => number;
  readonly leastTtlSeconds: number;
  /** See `createStore`. */
  readonly forgetsDeletes: boolean;
  /** Told of each request before it is done. */
  readonly onRequest: (client: number, call: Call) => void;
  readonly user:
    | {
        readonly name: string;
        readonly password: string;
        readonly tokenTtlMs: number;
        readonly token: 'simple' | 'jwt';
      }
    | undefined;
}

interface Waiting {
  readonly member: Member;
  readonly run: () => void;
  readonly fail: (refusal: Refusal) => void;
}

const requestTimeoutMs = 7_000;
const electionMs = 1_000;
const expiryBeatMs = 500;
const promotionMs = 300;

export function createCluster(world: World, network: Network, terms: ClusterTerms): Cluster {
  const random = world.random.fork('etcd');
  const machines: Machine[] = Array.from({ length: terms.members }, (_, i) =>
    createMachine(world, `server ${i + 1}`, { rate: terms.rateOf(i), wallOffsetMs: random.int(-2_000, 2_000) }),
  );
  const store = createStore((changes) => {
    for (const change of changes) state.leases.attach(change);
    for (const member of members) member.apply(changes, changes[0]!.revision);
    if (world.now < compactsUntil) world.after(random.next(), compact);
  }, terms.forgetsDeletes);
  const state: State = {
    store,
    leases: createLeases(store, () => leader.machine.now(), terms.leastTtlSeconds),
    users: createUsers(() => leader.machine.now(), {
      name: terms.user?.name ?? '',
      password: terms.user?.password ?? '',
      prefix: 'locks/',
      end: 'locks0',
      tokenTtlMs: terms.user?.tokenTtlMs ?? 0,
      token: terms.user?.token ?? 'simple',
    }),
    noSpace: false,
    newLeaseId: () => String(random.int(1, 2 ** 52)),
  };
  state.users.enabled = terms.user !== undefined;
  const members = machines.map((machine) =>
    createMember({
      world,
      machine,
      store,
      accept: (member) => acceptCalls(world, cluster, member),
      onTrouble,
      onRecovery,
    }),
  );
  for (const { host } of members) network.hosts.push(host);

  let compactsUntil = 0;
  let leader = random.pick(members);
  let hasLeader = true;
  let term = 1;
  let waiting = new Set<Waiting>();
  let parked: (() => void)[] = [];
  let expiry: Scheduled | undefined;

  const hasMajority = (): boolean => members.filter(({ isHealthy }) => isHealthy).length > members.length / 2;
  const canCommit = (member: Member): boolean =>
    hasLeader && leader.isHealthy && hasMajority() && member.cutOffUntil <= world.now;

  function onTrouble(member: Member, killed: boolean): void {
    if (member !== leader) return;
    // A member that was killed has forgotten that it led, and the tokens.
    if (killed) {
      hasLeader = false;
      if (members.length === 1 && terms.user?.token === 'simple') state.users.expireTokens();
    }
    electSoon();
  }

  function onRecovery(): void {
    if (!hasLeader) return electSoon();
    watchLeases();
    goOn(false);
  }

  function electSoon(): void {
    world.after(random.next() * electionMs + (members.length > 1 ? electionMs / 2 : 0), elect);
  }

  /** A new leader does not know how much of each lease is gone. */
  function elect(): void {
    const candidates = members.filter(({ isHealthy }) => isHealthy);
    if ((hasLeader && (leader.isHealthy || members.length === 1)) || candidates.length <= members.length / 2) return;
    leader = random.pick(candidates);
    hasLeader = true;
    state.leases.demote();
    const elected = ++term;
    world.after(random.next() * promotionMs, () => {
      if (elected === term) promote();
    });
    goOn(true);
  }

  /** The leader minds the leases only a moment after it was elected. */
  function promote(): void {
    state.leases.promote(electionMs);
    watchLeases();
    for (const run of parked.splice(0)) run();
  }

  /** Those who waited for a leader go on. Of what was proposed to another one, some is lost, and of some only the answer. */
  function goOn(changed: boolean): void {
    const before = waiting;
    waiting = new Set();
    for (const one of before) {
      if (!canCommit(one.member)) waiting.add(one);
      else if (!changed || random.chance(0.7)) one.run();
      else {
        const lost = new Refusal(unavailable, 'etcdserver: request timed out, possibly due to previous leader failure');
        if (random.chance(0.5)) one.run();
        one.fail(lost);
      }
    }
  }

  function compact(): void {
    if (store.revision > store.compacted) store.compact(store.revision);
  }

  function watchLeases(): void {
    const next = Math.min(...[...state.leases.all.values()].map(({ expiresAt }) => expiresAt));
    if (next === Number.POSITIVE_INFINITY) return;
    const leftMs = (next - leader.machine.now()) * 1.001;
    const at = world.now + Math.max(0, leftMs) + random.next() * expiryBeatMs;
    if (expiry !== undefined && !expiry.cancelled && expiry.at <= at && expiry.at >= world.now) return;
    if (expiry !== undefined) expiry.cancelled = true;
    expiry = world.at(at, endLeases);
  }

  function endLeases(): void {
    expiry = undefined;
    if (!canCommit(leader)) return;
    for (const lease of [...state.leases.all.values()])
      if (state.leases.isExpired(lease)) state.leases.revoke(lease.id);
    for (const run of parked.splice(0)) run();
    watchLeases();
  }

  const cluster: Cluster = {
    compact(ms) {
      compactsUntil = Math.max(compactsUntil, world.now + ms);
      compact();
    },
    state,
    members,
    get leader() {
      return leader;
    },
    get hasLeader() {
      return hasLeader;
    },
    loseLeader(ms) {
      hasLeader = false;
      world.after(ms, elect);
    },
    cutOff(member, ms) {
      member.cutOffUntil = Math.max(member.cutOffUntil, world.now + ms);
      onTrouble(member, false);
      world.after(ms + 0.01, () => onRecovery());
    },
    propose(member, run, fail) {
      const begin = (): void => {
        if (canCommit(member)) return run();
        const one = { member, run, fail };
        waiting.add(one);
        world.after(requestTimeoutMs, () => {
          if (waiting.delete(one))
            member.machine.receive(() => fail(new Refusal(unavailable, 'etcdserver: request timed out')));
        });
      };
      // How long a majority takes to write it to disk; what is asked at the same time may overtake.
      world.after(0.2 + random.next() * 3, () => member.machine.receive(begin));
    },
    watchLeases,
    onRequest: terms.onRequest,
    afterExpiry(run) {
      parked = [...parked, run];
    },
  };
  return cluster;
}
