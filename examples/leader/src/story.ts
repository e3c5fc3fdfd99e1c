import type { Stage } from '@holdfast/example-kit';
import { type Group, type Order, openGroup } from './group.ts';

/** One change of leader. */
export interface Change {
  readonly how: 'elected' | 'resigned' | 'killed' | 'paused';
  readonly from: string | undefined;
  readonly to: Order;
  readonly ms: number;
}

export interface Story {
  readonly changes: readonly Change[];
  readonly group: Group;
  /** What the leader ordered that was stopped, once it went on. */
  readonly late: Order;
}

/**
 * Four members: the first leader resigns, the second one is killed, the third one is stopped between a thought and its order until
 * another leads, and goes on.
 */
export async function play(stage: Stage, tell: (change: Change) => void): Promise<Story> {
  const group = openGroup(stage, ['Ann', 'Bob', 'Cleo', 'Dan']);
  const changes: Change[] = [];
  let leader: string | undefined;
  const change = async (how: Change['how'], remove?: () => void) => {
    const from = leader;
    const begin = performance.now();
    const next = group.next((order) => order.obeyed && order.leader !== from);
    remove?.();
    const to = await next;
    leader = to.leader;
    changes.push({ how, from, to, ms: performance.now() - begin });
    tell(changes.at(-1)!);
  };
  const signal = (name: NodeJS.Signals) => () => group.members.get(leader!)!.process.kill(name);

  await change('elected');
  await group.complete;
  await change('resigned', signal('SIGTERM'));
  await change('killed', signal('SIGKILL'));
  const paused = leader!;
  await change('paused', () => {
    group.onThought = (name) => {
      if (name === paused) signal('SIGSTOP')();
    };
  });
  group.onThought = () => {};
  // It is no leader any more, and does not know it: its order goes out under the old term, and the group refuses that.
  const giving = group.next((order) => order.leader === paused);
  group.members.get(paused)!.process.kill('SIGCONT');
  const late = await giving;
  const again = group.next((order) => order.obeyed && order.leader === paused);
  signal('SIGTERM')();
  await again;
  return { changes, group, late };
}

/** Whether the late order came under an older term than that of the leader of the day, and was refused. */
export const isRefused = ({ late, changes }: Story): boolean => !late.obeyed && late.term < changes.at(-1)!.to.term;

/** Whether the terms that the group obeyed only ever rose, each belonging to one leader. */
export function isOrderly(orders: readonly Order[]): boolean {
  const leaders = new Map<bigint, string>();
  let highest = 0n;
  for (const { leader, term, obeyed } of orders) {
    if (!obeyed) continue;
    if (term < highest || (leaders.get(term) ?? leader) !== leader) return false;
    highest = term;
    leaders.set(term, leader);
  }
  return leaders.size > 0;
}
