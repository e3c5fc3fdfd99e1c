import type { HistoryEvent } from './events.ts';
import { checkFences, checkWrites, isAmbiguous } from './fences.ts';
import { groupBy } from './group-by.ts';
import { type History, type Hold, interpret } from './holds.ts';
import { fifo, reentrant, reentrantFenced } from './models.ts';
import { operationsOf, placesOf, refusalsOf } from './operations.ts';
import { split } from './split.ts';
import { checkExclusion, type ExclusionOptions, isExclusive, type Violation } from './sweep.ts';
import { checkLinearizable, type Linearization } from './wgl.ts';

/** Options of `checkHistory`: what it checks besides exclusion, fencing and stale writes, and at what cost. */
export interface CheckOptions extends ExclusionOptions {
  /**
   * Whether to check that requests are refused only while the key may be held; default false. Applies only to keys with nothing but
   * exclusive holds. It is a search, so use it for small histories of each key.
   */
  readonly strict?: boolean | undefined;
  /** Whether to check that grants follow the confirmed places in the queue; default false. For small histories of adapters. */
  readonly fifo?: boolean | undefined;
  /** The budget of each search, as in `checkLinearizable`; default 1,000,000. A larger one decides larger histories, but takes longer. */
  readonly maxNodes?: number | undefined;
}

/** The result of `checkHistory`. */
export interface HistoryReport {
  /** `unknown`: no violation was found, but a search exceeded its budget. Treat it as a failure. */
  readonly verdict: 'valid' | 'invalid' | 'unknown';
  readonly violations: readonly Violation[];
  /** The keys for which a search exceeded its budget. */
  readonly undecided: readonly string[];
  readonly history: History;
}

/** Checks exclusion, the order of fencing tokens, and writes to fenced resources in a history. */
export function checkHistory(events: readonly HistoryEvent[], options: CheckOptions = {}): HistoryReport {
  const history = interpret(events);
  const violations = [...checkExclusion(history.holds, options), ...checkWrites(history.writes)];
  const undecided = new Set<string>();
  const judge = (key: string, what: string, holds: readonly Hold[], { verdict }: Linearization) => {
    if (verdict === 'unknown') undecided.add(key);
    if (verdict === 'invalid') violations.push(noOrder(key, what, holds));
    return verdict;
  };

  const unfair = new Set(violations.map(({ key }) => key));
  // Readers share a token, and permits have theirs side by side: only exclusive holds have an order.
  const shared = new Set(history.holds.filter((hold) => !isExclusive(hold)).map(({ key }) => key));
  for (const [key, holds] of groupBy(history.holds.filter(isExclusive), ({ key }) => key)) {
    // Where two hold at once, the order of tokens means nothing.
    if (unfair.has(key)) continue;
    if (isAmbiguous(holds))
      searchFences(holds, options.maxNodes, (window, found) => judge(key, 'its fencing tokens rise', window, found));
    else violations.push(...checkFences(holds));
  }

  for (const key of options.strict || options.fifo ? new Set(events.map((event) => event.key)) : []) {
    if (unfair.has(key) || shared.has(key)) continue;
    const of = <T extends { readonly key: string }>(items: readonly T[]) => items.filter((item) => item.key === key);
    const holds = of(history.holds);
    const refusals = options.strict ? of(history.refusals) : [];
    const operations = [...operationsOf(holds), ...refusalsOf({ refusals, unanswered: of(history.unanswered) })];
    if (options.strict)
      judge(key, 'each refusal met a holder', holds, checkLinearizable(reentrant(), operations, options.maxNodes));
    if (options.fifo) {
      const places = placesOf({ places: of(history.places) });
      judge(
        key,
        'grants follow the queue',
        holds,
        checkLinearizable(fifo(), [...operations, ...places], options.maxNodes),
      );
    }
  }
  const verdict = violations.length > 0 ? 'invalid' : undecided.size > 0 ? 'unknown' : 'valid';
  return { verdict, violations, undecided: [...undecided], history };
}

/** Window by window; the highest token goes along. Stops at the first window that is not valid. */
function searchFences(
  holds: readonly Hold[],
  maxNodes: number | undefined,
  judge: (window: readonly Hold[], found: Linearization) => Linearization['verdict'],
): void {
  let highest = 0n;
  for (const window of split(holds)) {
    if (judge(window, checkLinearizable(reentrantFenced(highest), operationsOf(window), maxNodes)) !== 'valid') return;
    for (const { lastFence } of window) if (lastFence !== undefined && lastFence > highest) highest = lastFence;
  }
}

function noOrder(key: string, what: string, holds: readonly Hold[]): Violation {
  return {
    rule: 'linearizability',
    key,
    message: `"${key}": there is no order of its ${holds.length} holds and their requests in which ${what}`,
    from: Math.min(...holds.map(({ invokedAt }) => invokedAt)),
    to: Math.max(...holds.map(({ start }) => start)),
    holds,
  };
}
