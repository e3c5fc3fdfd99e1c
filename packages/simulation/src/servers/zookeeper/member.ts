import type { Host } from '../../engine/network.ts';
import type { Front } from './front.ts';
import type { SessionTracker } from './sessions.ts';
import { type Transaction, Tree } from './tree.ts';

/** One server of an ensemble. */
export interface Member {
  readonly index: number;
  readonly host: Host;
  front: Front;
  role: 'looking' | 'following' | 'leading';
  /** Counts up whenever it enters or leaves an ensemble: messages from before are void. */
  generation: number;
  /** The newest epoch that it took part in; it follows no older one. */
  epoch: number;
  leader: Member | undefined;
  /** What it has on disk. */
  log: Transaction[];
  /** How much of it has taken effect. */
  committed: number;
  tree: Tree;
  /** When it last heard from its leader. */
  heardAt: number;
  /** Sessions that were heard of since it last told the leader. */
  readonly touched: Set<bigint>;
  /** Until when it is cut off from the other servers. */
  isolatedUntil: number;
  /** Until when it lets committed transactions wait. */
  laggingUntil: number;
  /** When its newest transaction takes effect. */
  appliesAt: number;
  /** It is about to look at what is overdue. */
  isLooking: boolean;
  /** Whether it does so, after a stall, before it reads what has arrived meanwhile. */
  looksFirst: boolean;
  /** What only a leader has. */
  leading: Leading | undefined;
}

export interface Leading {
  /** The data as they will be when all that was decided has taken effect. */
  readonly prepared: Tree;
  readonly sessions: SessionTracker;
  readonly acknowledged: Map<Member, number>;
  readonly heardAt: Map<Member, number>;
  zxid: number;
  containersCheckedAt: number;
}

export const createMember = (index: number, host: Host): Member => ({
  index,
  host,
  front: undefined as unknown as Front,
  role: 'looking',
  generation: 0,
  epoch: 0,
  leader: undefined,
  log: [],
  committed: 0,
  tree: new Tree(),
  heardAt: 0,
  touched: new Set(),
  isolatedUntil: 0,
  laggingUntil: 0,
  appliesAt: 0,
  isLooking: false,
  looksFirst: false,
  leading: undefined,
});

/** Whether a server follows a leader that is still the one it has joined. */
export const follows = (member: Member, leader: Member): boolean =>
  member.role === 'following' && member.leader === leader && member.epoch === leader.epoch && leader.role === 'leading';
