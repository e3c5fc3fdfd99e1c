import type { LockNode } from './lock-node.ts';

/** The nodes that wait for others to go. */
export class Sleepers {
  readonly #byBlocker = new Map<string, Set<LockNode>>();

  /** The node sleeps until one of these is gone; `wake` ends the sleep early. */
  add(node: LockNode, blockers: readonly string[], wake: () => void): void {
    node.wake = wake;
    for (const path of blockers) this.#byBlocker.set(path, this.of(path).add(node));
  }

  /** The sleep is over. */
  delete(node: LockNode, blockers: readonly string[]): void {
    node.wake = undefined;
    for (const path of blockers) {
      const sleepers = this.of(path);
      sleepers.delete(node);
      if (sleepers.size === 0) this.#byBlocker.delete(path);
    }
  }

  /** Those for which this node is in the way. */
  of(path: string): Set<LockNode> {
    return this.#byBlocker.get(path) ?? new Set();
  }
}
