import type { Model } from './wgl.ts';

/** An operation of a lock. */
export interface LockOp {
  /** `expire`: the hold ends without a release. `busy`: a request is refused. `queue`, `leave`: a place in the queue begins or ends. */
  readonly f: 'acquire' | 'release' | 'expire' | 'busy' | 'queue' | 'leave';
  /** The hold. A release ends only its own hold, and never another hold of the same owner. */
  readonly hold: string;
  /** The owner, which may re-enter; `undefined` if it is unknown, as for some refusals. */
  readonly owner: string | undefined;
  /** The first fencing token of an acquire; `lastFence` is the last. `undefined` matches any token. */
  readonly fence?: bigint | undefined;
  readonly lastFence?: bigint | undefined;
  /** False if it is unknown whether the operation happened at all; default true. */
  readonly sure?: boolean | undefined;
}

/** The model of a lock that anybody can release. The state is whether it is held. */
export function mutex(): Model<boolean, LockOp> {
  return model<boolean>(false, String, (held, { f }) => {
    if (f === 'busy') return held ? [held] : [];
    return held === (f !== 'acquire') ? [!held] : [];
  });
}

/** The model of a lock that only its holder can release, without reentrancy. The state is the hold. */
export function ownerAware(): Model<string | undefined, LockOp> {
  return model<string | undefined>(undefined, String, (holder, { f, hold }) => {
    if (f === 'busy') return holder === undefined ? [] : [holder];
    if (f === 'acquire') return holder === undefined ? [hold] : [];
    return holder === hold ? [undefined] : [];
  });
}

/** The owner that holds the lock, and its holds. Without any hold, the lock is free. */
export interface Entered {
  readonly owner: string | undefined;
  readonly holds: readonly string[];
}

/** The model of a reentrant lock. */
export function reentrant(): Model<Entered, LockOp> {
  const keyOf = ({ owner, holds }: Entered) => JSON.stringify([owner, holds]);
  return model<Entered>({ owner: undefined, holds: [] }, keyOf, (state, op) => {
    if (op.f === 'busy') return isRefused(state, op) ? [state] : [];
    return op.f === 'acquire' ? enter(state, op) : leave(state, op);
  });
}

/** The hold, and the highest fencing token so far. */
export interface Fenced {
  readonly holder: string | undefined;
  readonly highest: bigint;
}

/** The model of an owner-aware lock whose tokens increase, all above `highest`; default 0. */
export function fenced(highest = 0n): Model<Fenced, LockOp> {
  const keyOf = (state: Fenced) => `${state.highest} ${state.holder}`;
  return model<Fenced>({ holder: undefined, highest }, keyOf, (state, { f, hold, fence, lastFence }) => {
    if (f === 'busy') return state.holder === undefined ? [] : [state];
    if (f !== 'acquire') return state.holder === hold ? [{ ...state, holder: undefined }] : [];
    if (state.holder !== undefined || (fence !== undefined && fence <= state.highest)) return [];
    return [{ holder: hold, highest: lastFence ?? fence ?? state.highest }];
  });
}

/** The owner that holds the lock, its holds and token, and the highest token so far. */
export interface FencedEntered extends Entered {
  readonly current: bigint | undefined;
  readonly highest: bigint;
}

/** The model of a reentrant lock whose tokens increase, all above `highest` (default 0). A re-entry keeps the token. */
export function reentrantFenced(highest = 0n): Model<FencedEntered, LockOp> {
  const initial: FencedEntered = { owner: undefined, holds: [], current: undefined, highest };
  const keyOf = (state: FencedEntered) =>
    JSON.stringify([state.owner, state.holds, String(state.current), String(state.highest)]);
  return model<FencedEntered>(initial, keyOf, (state, op) => {
    const { current, highest } = state;
    if (op.f === 'busy') return isRefused(state, op) ? [state] : [];
    if (op.f !== 'acquire') {
      return leave(state, op).map((left) => ({
        ...left,
        current: left.owner === undefined ? undefined : current,
        highest,
      }));
    }
    const { fence, lastFence } = op;
    return enter(state, op).flatMap((entered) => {
      if (fence === undefined || fence === current) return [{ ...entered, current, highest }];
      if (current !== undefined || fence <= highest) return [];
      return [{ ...entered, current: fence, highest: lastFence ?? fence }];
    });
  });
}

/** The hold that has the key, and the waiting holds in the order of the queue. */
export interface Queue {
  readonly holder: string | undefined;
  readonly waiting: readonly string[];
}

/** The model of an owner-aware lock with a queue. A request without a place in the queue is granted only if nobody is waiting. */
export function fifo(): Model<Queue, LockOp> {
  const keyOf = ({ holder, waiting }: Queue) => JSON.stringify([holder, waiting]);
  return model<Queue>({ holder: undefined, waiting: [] }, keyOf, (state, { f, hold }) => {
    const { holder, waiting } = state;
    if (f === 'queue') return [{ holder, waiting: [...waiting, hold] }];
    if (f === 'leave') return [{ holder, waiting: waiting.filter((other) => other !== hold) }];
    if (f === 'busy') return holder !== undefined || waiting.length > 0 ? [state] : [];
    if (f !== 'acquire') return holder === hold ? [{ holder: undefined, waiting }] : [];
    if (holder !== undefined || (waiting.length > 0 && waiting[0] !== hold)) return [];
    return [{ holder: hold, waiting: waiting.slice(1) }];
  });
}

/** A model in which what is not sure may as well not have happened. */
function model<State>(
  initial: State,
  keyOf: (state: State) => string,
  step: (state: State, op: LockOp) => readonly State[],
): Model<State, LockOp> {
  return { initial, keyOf, step: (state, op) => (op.sure === false ? [state, ...step(state, op)] : step(state, op)) };
}

function isRefused({ owner }: Entered, op: LockOp): boolean {
  return owner !== undefined && owner !== op.owner;
}

function enter({ owner, holds }: Entered, op: LockOp): readonly Entered[] {
  if (owner !== undefined && owner !== op.owner) return [];
  return [{ owner: op.owner, holds: [...holds, op.hold].sort() }];
}

function leave({ owner, holds }: Entered, op: LockOp): readonly Entered[] {
  if (!holds.includes(op.hold)) return [];
  const left = holds.filter((hold) => hold !== op.hold);
  return [{ owner: left.length > 0 ? owner : undefined, holds: left }];
}
