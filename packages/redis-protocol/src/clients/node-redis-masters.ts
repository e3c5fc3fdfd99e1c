import { randomInt } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';
import { leaveMuteConnection, Silence } from './dead-connection.ts';
import type { NodeRedisCluster, NodeRedisClusterNode } from './node-redis-client.ts';

/** Whether a node is connected, or nobody has tried yet: it is on the first use. */
export const nodeIsUp = (node: NodeRedisClusterNode | undefined): boolean =>
  node?.client === undefined || node.client.isReady || !node.client.isOpen;

/** About as long as a cluster takes to notice that a master is gone. */
const longestSilenceMs = 2_000;

/** How long a node may take to say who serves which slots. */
const lookMs = 2_000;
/** Between looks for a master: a quarter of the time for which it has been missed, so that a failover is seen in time. */
const lookAgainMs = { least: 500, most: 10_000 };

/**
 * Asks another node who serves the slots of one that is away or silent, now and then. node-redis does so when a node says that a slot
 * has moved, and version 6 when a connection breaks. A master that has died without a sign says nothing, and while it is away nobody
 * asks for its slots elsewhere: its keys would be out of reach until that very node is back. Only for a cluster of ours: while
 * node-redis looks, it waits for whatever it finds, and so would the commands of an application.
 */
export class MasterFinder {
  private readonly client: NodeRedisCluster;
  private readonly silences = new WeakMap<NodeRedisClusterNode, Silence>();
  private missed: { readonly node: NodeRedisClusterNode; readonly since: number } | undefined;
  private lookAt = Number.NEGATIVE_INFINITY;
  /** node-redis makes one look at a time. */
  private isLooking = false;
  private isChecking = false;

  constructor(client: NodeRedisCluster) {
    this.client = client;
  }

  /** Notes that a node was asked something, with which it may be busy for so long. */
  asked<T>(node: NodeRedisClusterNode | undefined, answer: Promise<T>, busyMs?: number): Promise<T> {
    return node === undefined ? answer : this.silenceOf(node).until(answer, busyMs);
  }

  private silenceOf(node: NodeRedisClusterNode): Silence {
    let silence = this.silences.get(node);
    if (silence === undefined) {
      silence = new Silence(() => node.client);
      this.silences.set(node, silence);
    }
    return silence;
  }

  /** Somebody needs this master of a slot: if nothing is heard of it, looks for another one. */
  check(node: NodeRedisClusterNode): void {
    if (node.client !== undefined) leaveMuteConnection(node.client);
    if (this.isWell(node)) {
      if (this.missed?.node === node) this.missed = undefined;
      return;
    }
    if (this.isChecking || performance.now() < this.lookAt) return;
    this.isChecking = true;
    // After a stall of this process the answers may be here, only not read yet.
    setImmediate(() => {
      this.isChecking = false;
      if (!this.isWell(node)) this.look(node);
    });
  }

  private isWell(node: NodeRedisClusterNode): boolean {
    return nodeIsUp(node) && !(this.silenceOf(node).ms > longestSilenceMs);
  }

  private look(node: NodeRedisClusterNode): void {
    const { client } = this;
    const nodes = new Set(client.slots.map((slot) => slot?.master));
    const now = performance.now();
    // The one that was missed before may have been replaced.
    if (this.missed === undefined || !nodes.has(this.missed.node)) this.missed = { node, since: now };
    this.lookAt = now + Math.min(Math.max(lookAgainMs.least, (now - this.missed.since) / 4), lookAgainMs.most);
    const others = [...nodes].filter((other) => other?.client?.isReady && this.isWell(other));
    // Not the same one for every process.
    const other = others.at(randomInt(Math.max(1, others.length)));
    if (!client.isOpen || other?.client === undefined) return;
    // Over the connection that stands: node-redis would wait for a new one without a limit. A node that does not answer is passed over next time.
    this.asked(other, other.client.sendCommand(['CLUSTER', 'SLOTS'])).then(
      (slots) => {
        if (this.isReplaced(node, slots)) this.rediscover(other);
      },
      () => {},
    );
  }

  /**
   * Whether all slots of a master have another one. node-redis takes over whatever it is answered: one that knows no slots, since it has
   * left the cluster, would have it give up every node that it has.
   */
  private isReplaced(node: NodeRedisClusterNode, slots: unknown): boolean {
    if (!Array.isArray(slots)) return false;
    const served = slots.filter((entry) => Array.isArray(entry?.[2])) as [number, number, [string, number]][];
    return this.client.slots.every((slot, at) => {
      const now = served.find(([first, last]) => first <= at && at <= last)?.[2];
      return now !== undefined && (slot?.master !== node || `${now[0]}:${now[1]}` !== node.address);
    });
  }

  private rediscover({ client: other }: NodeRedisClusterNode): void {
    const { client } = this;
    if (this.isLooking || !client.isOpen || other === undefined) return;
    this.isLooking = true;
    const end = (): void => {
      this.isLooking = false;
    };
    // A copy: node-redis changes what it is given.
    const options = { ...other.options, socket: { ...other.options?.socket, socketTimeout: lookMs } };
    client._slots?.rediscover?.({ options } as never).then(end, end);
  }
}
