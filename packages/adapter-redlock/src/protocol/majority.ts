import type { Answer, QuorumContext, QuorumNode } from './node.ts';

/** What enough nodes say to each item: yes, no, or `undefined` when too few answered to know. */
export interface Verdict {
  readonly items: readonly (boolean | undefined)[];
  readonly errors: readonly unknown[];
  /** Whether any node was asked. */
  readonly sent: boolean;
}

/**
 * Asks every node the same yes-or-no questions and decides each by as many votes as it needs, as soon as all are decided: slow nodes
 * are not waited for (H33). `send` returns false where it cannot ask.
 */
export function askMajority(
  context: QuorumContext,
  needed: readonly number[],
  withinMs: number,
  send: (node: QuorumNode, i: number, answer: Answer<readonly boolean[]>) => boolean,
  done: (verdict: Verdict) => void,
): void {
  const { nodes, clock } = context;
  const count = needed.length;
  const yes = new Array<number>(count).fill(0);
  const errors: unknown[] = [];
  let pending = nodes.length;
  let open = true;
  let starting = true;
  let sent = false;
  const cancelTimer = clock.after(withinMs, () => finish(verdict(true)));

  function verdict(last: boolean): Verdict | undefined {
    const items: (boolean | undefined)[] = [];
    let undecided = false;
    for (const [i, votes] of yes.entries()) {
      const enough = needed[i]!;
      // A node that failed or has not answered yet may have done it all the same.
      const possible = votes + pending + errors.length;
      const item = votes >= enough ? true : possible < enough ? false : undefined;
      if (item === undefined) undecided = true;
      items.push(item);
    }
    return undecided && !last ? undefined : { items, errors, sent };
  }

  function finish(outcome: Verdict | undefined): void {
    if (!open || outcome === undefined) return;
    open = false;
    cancelTimer();
    done(outcome);
  }

  function take(result: readonly boolean[] | undefined, error?: unknown): void {
    pending -= 1;
    if (!open) return;
    if (result === undefined) errors.push(error);
    else for (let item = 0; item < count; item++) if (result[item]) yes[item]! += 1;
    if (!starting) finish(verdict(pending === 0));
  }

  for (const [i, node] of nodes.entries()) {
    if (send(node, i, take)) sent = true;
    else take(undefined);
  }
  starting = false;
  finish(verdict(pending === 0));
}
