import type { Model } from './wgl.ts';

/** What can happen to a lock. */
export interface LockOp {
  /** `expire`: the hold ends without its holder's doing. `busy`: a request is refused. `queue` and `leave`: a place in the queue. */
  readonly f: 'acquire' | 'release' | 'expire' | 'busy' | 'queue' | 'leave';
  /** `undefined` where nobody knows: of some refusals. */
  readonly owner: string | undefined;
  /** The first and the last fencing token of an acquire; `undefined` matches any. */
  readonly fence?: bigint | undefined;
  readonly lastFence?: bigint | undefined;
  /** False where nobody knows whether it happened at all; default true. */
  readonly sure?: boolean | undefined;
}

/** A lock that does not look at owners. */
export function mutex(): Model<boolean, LockOp> {
  return {
    initial: false,
    keyOf: String,
    step: (locked, op) =>
      maybe(locked, op, () => {
        if (op.f === 'busy') return locked ? [locked] : [];
        return locked === (op.f !== 'acquire') ? [!locked] : [];
      }),
  };
}

/** A lock that only its owner frees and nobody enters twice. The state is the owner. */
export function ownerAware(): Model<string | undefined, LockOp> {
  return {
    initial: undefined,
    keyOf: String,
    step: (holder, op) =>
      maybe(holder, op, () => {
        if (op.f === 'busy') return holder === undefined ? [] : [holder];
        if (op.f === 'acquire') return holder === undefined ? [op.owner] : [];
        return holder === op.owner ? [undefined] : [];
      }),
  };
}

/** Who is in, and how often. */
export interface Entered {
  readonly owner: string | undefined;
  readonly count: number;
}

/** A lock that its owner may enter again. */
export function reentrant(): Model<Entered, LockOp> {
  const free: Entered = { owner: undefined, count: 0 };
  return {
    initial: free,
    keyOf: ({ owner, count }) => `${owner} ${count}`,
    step: (state, op) =>
      maybe(state, op, () => {
        if (op.f === 'busy') return state.count > 0 && state.owner !== op.owner ? [state] : [];
        if (op.f === 'acquire') return enter(state, op);
        if (state.count === 0 || state.owner !== op.owner) return [];
        return [state.count === 1 ? free : { owner: state.owner, count: state.count - 1 }];
      }),
  };
}

/** Who holds, and the highest fencing token so far. */
export interface Fenced {
  readonly owner: string | undefined;
  readonly highest: bigint;
}

/** An owner-aware lock whose tokens rise from above `highest`; default 0. */
export function fenced(highest = 0n): Model<Fenced, LockOp> {
  return {
    initial: { owner: undefined, highest },
    keyOf: ({ owner, highest }) => `${owner} ${highest}`,
    step: (state, op) =>
      maybe(state, op, () => {
        if (op.f === 'busy') return state.owner === undefined ? [] : [state];
        if (op.f !== 'acquire') return state.owner === op.owner ? [{ ...state, owner: undefined }] : [];
        if (state.owner !== undefined || (op.fence !== undefined && op.fence <= state.highest)) return [];
        return [{ owner: op.owner, highest: op.lastFence ?? op.fence ?? state.highest }];
      }),
  };
}

/** Who is in, how often, with which token, and the highest token so far. */
export interface FencedEntered extends Entered {
  readonly current: bigint | undefined;
  readonly highest: bigint;
}

/** A reentrant lock whose tokens rise from above `highest`, default 0; re-entry keeps the token. */
export function reentrantFenced(highest = 0n): Model<FencedEntered, LockOp> {
  return {
    initial: { owner: undefined, count: 0, current: undefined, highest },
    keyOf: ({ owner, count, current, highest }) => `${owner} ${count} ${current} ${highest}`,
    step: (state, op) =>
      maybe(state, op, () => {
        if (op.f === 'busy') return state.count > 0 && state.owner !== op.owner ? [state] : [];
        if (op.f === 'acquire') {
          return enter(state, op).flatMap((entered) => {
            const { fence } = op;
            const { current, highest } = state;
            if (fence === undefined) return [{ ...entered, current, highest }];
            if (current !== undefined) return fence === current ? [{ ...entered, current, highest }] : [];
            return fence > highest ? [{ ...entered, current: fence, highest: op.lastFence ?? fence }] : [];
          });
        }
        if (state.count === 0 || state.owner !== op.owner) return [];
        if (state.count > 1) return [{ ...state, count: state.count - 1 }];
        return [{ owner: undefined, count: 0, current: undefined, highest: state.highest }];
      }),
  };
}

/** Who holds, and who waits, first come first. */
export interface Queue {
  readonly holder: string | undefined;
  readonly waiting: readonly string[];
}

/** An owner-aware lock that is granted in the order of the queue; who has no place in it gets the key only when nobody waits. */
export function fifo(): Model<Queue, LockOp> {
  return {
    initial: { holder: undefined, waiting: [] },
    keyOf: ({ holder, waiting }) => JSON.stringify([holder, waiting]),
    step: (state, op) =>
      maybe(state, op, () => {
        const { holder, waiting } = state;
        const owner = op.owner!;
        if (op.f === 'queue') return [{ holder, waiting: [...waiting, owner] }];
        if (op.f === 'leave') return [{ holder, waiting: waiting.filter((other) => other !== owner) }];
        if (op.f === 'busy') return holder !== undefined || waiting.length > 0 ? [state] : [];
        if (op.f !== 'acquire') return holder === owner ? [{ holder: undefined, waiting }] : [];
        if (holder !== undefined || (waiting.length > 0 && waiting[0] !== owner)) return [];
        return [{ holder: owner, waiting: waiting.slice(1) }];
      }),
  };
}

/** What is not sure may as well not have happened. */
function maybe<State>(state: State, op: LockOp, happen: () => readonly State[]): readonly State[] {
  return op.sure === false ? [state, ...happen()] : happen();
}

function enter({ owner, count }: Entered, op: LockOp): readonly Entered[] {
  return count === 0 || owner === op.owner ? [{ owner: op.owner, count: count + 1 }] : [];
}
