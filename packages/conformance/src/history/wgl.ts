/** The sequential behaviour of an object: what it does if its operations happen one after the other. */
export interface Model<State, Op> {
  readonly initial: State;
  /** The states to which `op` may lead; [] if it cannot happen in `state`. */
  step(state: State, op: Op): readonly State[];
  /** A key of the state, which must be equal only for equal states. */
  keyOf(state: State): string;
}

/** An operation, with the closed interval in which it took effect. If `return` is Infinity, it took effect at any later time. */
export interface Operation<Op> {
  readonly call: number;
  readonly return: number;
  readonly op: Op;
}

/** Whether there is an order of the operations that explains their answers. */
export interface Linearization {
  /** `unknown`: the search was abandoned after `maxNodes` steps. */
  readonly verdict: 'valid' | 'invalid' | 'unknown';
  /** The longest order that was found, as indices of the operations. It has all operations if the verdict is `valid`. */
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
 * Checks whether the model allows an order of all operations, each within its interval. The algorithm is the search of Wing and Gong
 * (1993) with Lowe's cache of visited configurations (2017), as in Porcupine (Athalye). It is exponential in the worst case, so it has a
 * budget: `maxNodes` steps of the model, default 1,000,000.
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
