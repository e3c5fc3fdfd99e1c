import type { HistoryEvent, LockOp, Operation } from '../../src/history/index.ts';

/** What a random history is made of. */
export interface Recipe {
  readonly processes: number;
  readonly fencing: boolean;
  /** Owners whose holds may overlap and overtake one another; else each process holds for itself, one hold at a time. */
  readonly contexts: number;
}

/** A history twice: as events for the sweep, and as operations for the search, made side by side and not from each other. */
export interface RandomHistory {
  readonly events: HistoryEvent[];
  readonly operations: Operation<LockOp>[];
}

/** mulberry32: small, seeded, good enough to choose. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Some holds with small whole times, so that they touch, meet and overlap often. */
export function randomHistory(random: (below: number) => number, recipe: Recipe): RandomHistory {
  const events: HistoryEvent[] = [];
  const operations: Operation<LockOp>[] = [];
  const never = Number.POSITIVE_INFINITY;
  let lastOp = 0;
  for (let p = 0; p < recipe.processes; p++) {
    for (let c = 0; c < recipe.contexts; c++) {
      const owner = `p${p}`;
      let t = random(12);
      const holds = 1 + random(2);
      for (let h = 0; h < holds; h++) {
        const hold = `p${p}c${c}h${h}`;
        const name = { process: owner, key: 'k', owner, hold };
        const call = (f: HistoryEvent['f'], at: number) => {
          const op = String(++lastOp);
          events.push({ t: at, ...name, op, f, kind: 'invoke' });
          return (kind: HistoryEvent['kind'], end: number, more: Partial<HistoryEvent> = {}) =>
            events.push({ t: end, ...name, op, f, kind, ...more });
        };
        const invoked = t;
        const returned = invoked + random(4);
        const answer = call('acquire', invoked);
        const outcome = random(12);
        if (outcome === 0) {
          // Nobody learns of it: it may have happened, and end at any time. It re-enters nothing: an owner of its own.
          answer('info', returned);
          operations.push({ call: invoked, return: never, op: { f: 'acquire', hold, owner: hold, sure: false } });
          operations.push({ call: invoked, return: never, op: { f: 'expire', hold, owner: hold, sure: false } });
          t = returned + random(3);
          continue;
        }
        if (outcome === 1) {
          answer('fail', returned, { why: 'busy' });
          t = returned + random(3);
          continue;
        }
        const known = recipe.fencing && random(6) > 0;
        // Mostly rising with time, sometimes not; where owners re-enter, the same for some time.
        const rising = recipe.contexts > 1 ? Math.floor(returned / 5) : returned + random(2);
        const token = random(recipe.contexts > 1 ? 12 : 4) === 0 ? 1 + random(12) : 1 + rising;
        const fence = known ? BigInt(token) : undefined;
        const released = returned + random(6);
        const end = random(4);
        const deadline = end === 0 ? returned + random(4) : 1_000;
        answer('ok', returned, { fence, deadline });
        operations.push({
          call: invoked,
          return: returned,
          op: { f: 'acquire', hold, owner, fence, lastFence: fence },
        });
        if (end === 0 && deadline < released) {
          operations.push({ call: deadline, return: never, op: { f: 'expire', hold, owner } });
          call('release', released)('fail', released + 1);
        } else if (end === 1) {
          events.push({ t: released, ...name, op: String(++lastOp), f: 'hold', kind: 'lost' });
          operations.push({ call: released, return: never, op: { f: 'expire', hold, owner } });
        } else if (end === 2) {
          call('release', released)('info', released + 2);
          operations.push({ call: released, return: never, op: { f: 'expire', hold, owner } });
        } else {
          const done = released + random(3);
          call('release', released)('ok', done);
          operations.push({ call: released, return: done, op: { f: 'release', hold, owner } });
        }
        t = events.at(-1)!.t + random(3);
      }
    }
  }
  return { events, operations };
}
