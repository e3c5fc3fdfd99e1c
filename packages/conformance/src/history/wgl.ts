/** What an object does, one operation after the other. */
export interface Model<State, Op> {
  readonly initial: State;
  /** The states that `op` may lead to; [] when it cannot happen in `state`. */
  step(state: State, op: Op): readonly State[];
  /** Equal for equal states only. */
  keyOf(state: State): string;
}

/** An operation with the closed interval in which it took effect. Infinity as return: any time later. */
export interface Operation<Op> {
  readonly call: number;
  readonly return: number;
  readonly op: Op;
}

/** Whether operations have an order that explains their answers. */
export interface Linearization {
  /** `unknown`: given up after `maxNodes`. */
  readonly verdict: 'valid' | 'invalid' | 'unknown';
  /** The longest order that was found, as indices into the operations; all of them when valid. */
  readonly order: readonly number[];
}

interface Entry {
  readonly index: number;
  /** The return that belongs to a call; `undefined` for a return. */
  readonly end: Entry | undefined;
  previous: Entry | undefined;
  next: Entry | undefined;
}

/**
 * Is there one order of all operations, each within its interval, that the model allows? The search of Wing and Gong (1993) with Lowe's
 * memory of visited configurations (2017), in the form of Porcupine (Athalye). Exponential in the worst case, hence the budget:
 * `maxNodes` steps of the model, default 1,000,000.
 */
export function checkLinearizable<State, Op>(
  model: Model<State, Op>,
  operations: readonly Operation<Op>[],
  maxNodes = 1_000_000,
): Linearization {
  const head = entriesOf(operations);
  const seen = new Set<string>();
  const stack: { entry: Entry; state: State; done: bigint }[] = [];
  let longest: number[] = [];
  let state = model.initial;
  let done = 0n;
  let entry = head.next;
  for (let nodes = 0; head.next !== undefined; nodes++) {
    if (nodes >= maxNodes) return { verdict: 'unknown', order: longest };
    if (entry?.end) {
      const states = model.step(state, operations[entry.index]!.op);
      const after = done | (1n << BigInt(entry.index));
      const fresh = states.findIndex((next) => remember(seen, `${after.toString(36)} ${model.keyOf(next)}`));
      if (fresh === -1) entry = entry.next;
      else {
        stack.push({ entry, state, done });
        state = states[fresh]!;
        done = after;
        lift(entry);
        entry = head.next;
      }
    } else {
      // This call has returned, and nothing that may come first has worked: take the last one back, and try what else it may lead to.
      if (stack.length > longest.length) longest = stack.map((step) => step.entry.index);
      const undone = stack.pop();
      if (undone === undefined) return { verdict: 'invalid', order: longest };
      unlift(undone.entry);
      ({ entry, state, done } = undone);
    }
  }
  return { verdict: 'valid', order: stack.map((step) => step.entry.index) };
}

function remember(seen: Set<string>, key: string): boolean {
  const before = seen.size;
  return seen.add(key).size > before;
}

/** Calls and returns in a linked list by time; at the same moment a call comes first, so that both overlap. */
function entriesOf(operations: readonly Operation<unknown>[]): Entry {
  const entries = operations.flatMap(({ call, return: end }, index) => {
    const returned: Entry = { index, end: undefined, previous: undefined, next: undefined };
    const called: Entry = { index, end: returned, previous: undefined, next: undefined };
    return [
      { at: call, order: 0, entry: called },
      { at: end, order: 1, entry: returned },
    ];
  });
  entries.sort((a, b) => (a.at === b.at ? a.order - b.order : a.at - b.at));
  const head: Entry = { index: -1, end: undefined, previous: undefined, next: undefined };
  let last = head;
  for (const { entry } of entries) {
    entry.previous = last;
    last.next = entry;
    last = entry;
  }
  return head;
}

function lift(entry: Entry): void {
  for (const { previous, next } of [entry, entry.end!]) {
    previous!.next = next;
    if (next) next.previous = previous;
  }
}

function unlift(entry: Entry): void {
  for (const part of [entry.end!, entry]) {
    part.previous!.next = part;
    if (part.next) part.next.previous = part;
  }
}
