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
}

/** Four members: the first leader resigns, the second one is killed, the third one is stopped until another leads, and goes on. */
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
  await change('paused', signal('SIGSTOP'));
  // Awake again it is no leader any more: it finds out by its lost lock, or by the group, which refuses its old term.
  group.members.get(paused)!.process.kill('SIGCONT');
  const again = group.next((order) => order.obeyed && order.leader === paused);
  signal('SIGTERM')();
  await again;
  return { changes, group };
}

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
