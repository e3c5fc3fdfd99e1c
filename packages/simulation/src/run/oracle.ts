import type { HistoryEvent } from '@holdfast/conformance/history';
import type { Machine } from '../engine/machine.ts';
import { createGraces } from './graces.ts';
import { type Failure, goTogether, type Held, isJoined, isOwn } from './held.ts';
import { createLateRenewals } from './late-renewals.ts';
import { createPinnedHolds, type PinnedHolds } from './pinned-holds.ts';
import { createTermChecks } from './term-checks.ts';
import { createWrites, type Writes } from './writes.ts';

interface Forced {
  readonly key: string;
  readonly invokedAt: number;
  returnedAt: number | undefined;
}

export interface Oracle extends Omit<Writes & PinnedHolds, 'granted'> {
  readonly failures: readonly Failure[];
  readonly events: HistoryEvent[];
  readonly excuses: readonly string[];
  readonly hasForced: boolean;
  /** Whether a server has lost writes, a release among them perhaps, whose leases are not over yet. */
  readonly mayBeBack: boolean;
  fail(rule: Failure['rule'], message: string): void;
  granted(held: Held): void;
  released(held: Held): void;
  /** These locks close: what they hold is given back. */
  closing(machine: Machine, locks: number, isTheEnd: boolean): void;
  forced(key: string, client: number): { returned(): void };
  /** A forced release has freed the hold of an owner ID: each call may free one, or all who hold the key beside each other. */
  freed(client: number, key: string, owner: string): void;
  excuseAll(why: string): void;
  /** Looks at every lock that is in somebody's hands, at this moment. */
  sample(): void;
  isHeld(key: string): boolean;
  /** Whether somebody holds it whom this one would re-enter. */
  isHeldBy(key: string, identity: string): boolean;
  /** Those who hold it, as far as they know. */
  holdersOf(key: string): readonly Held[];
  /** Whether it was held when the locks were closed. */
  hasHeld(key: string): boolean;
}

/** How long after a pause a holder that only listens to its signal may not have heard it yet. */
const wakingMs = 5;
/** The same after a sleep: core compares its clocks once a second. */
const wakingFromSleepMs = 1_100;

/** In the order of the grants; that of one whose process stood still may arrive behind the next one. */
function byAge(a: Held, b: Held): number {
  const [ofA, ofB] = [a.lock.fencingToken, b.lock.fencingToken];
  if (ofA !== undefined && ofB !== undefined && ofA !== ofB) return ofA < ofB ? -1 : 1;
  return a.grantedAt - b.grantedAt;
}

interface OracleTerms {
  now(): number;
  note(who: string, what: string): void;
  /** No lease is longer. */
  readonly longestTtlMs: number;
  /** Nothing goes wrong that could take a lock away. */
  readonly isQuiet: boolean;
  /** From when on a renewal to a shorter lease may arrive later than lock-core counts with, behind a longer one. */
  shortenedLateFrom(held: Held): number;
}

export function createOracle({ now, note, longestTtlMs, isQuiet, shortenedLateFrom }: OracleTerms): Oracle {
  const failures: Failure[] = [];
  const events: HistoryEvent[] = [];
  const excuses: string[] = [];
  let excusedAllAt = Number.NEGATIVE_INFINITY;
  const inHand = new Map<string, Set<Held>>();
  const forcings: Forced[] = [];
  let pausedAt = new Map<Machine, number>();
  const sleptMs = new Map<Machine, number>();
  const forcedBy: string[] = [];
  const freedOwners = new Map<string, Set<string>>();
  /** Keys that were held beside others: a forced release that names nobody frees all of their holders. */
  const besideOthers = new Set<string>();
  const closedWith = new Set<string>();
  /** When a process went on, since when it had stood still, and for how long it may not know. */
  const resumed = new Map<Machine, { readonly at: number; readonly since: number; readonly wakingMs: number }>();

  const fail = (rule: Failure['rule'], message: string): void => {
    failures.push({ rule, message, at: now() });
    note('oracle', `${rule}: ${message}`);
  };

  const graces = createGraces((message) => fail('wrong answer', message), now);
  const terms = createTermChecks((message) => fail('wrong answer', message), now);
  const pins = createPinnedHolds(fail);
  const lateRenewals = createLateRenewals(shortenedLateFrom, now);
  /** Whose end the history has already: what becomes of them then is nobody's fault. */
  const mayBeShort = new Set<Held>();
  const writes = createWrites(fail, () => excuses.length > 0);

  const record = (held: Held, f: HistoryEvent['f'], kind: HistoryEvent['kind'], t = now()): void => {
    events.push({
      t,
      process: held.machine.name,
      op: `${held.name} ${f}`,
      f,
      kind,
      key: held.step.key,
      hold: held.name,
      owner: held.identity,
      ...(f === 'acquire' && kind === 'ok' && { fence: held.lock.fencingToken }),
    });
  };

  function end(held: Held, by: 'release' | 'lost', at = now()): void {
    if (held.endedAt !== undefined || inHand.get(held.step.key)?.has(held) !== true) return;
    held.endedAt = at;
    held.endedBy = by;
    inHand.get(held.step.key)?.delete(held);
    lateRenewals.ended(held);
    if (!mayBeShort.delete(held))
      record(held, by === 'release' ? 'release' : 'hold', by === 'release' ? 'invoke' : 'lost', at);
    if (by === 'release') return;
    if (excuses.length === 0) graces.lost(held, at);
    note(held.machine.name, `knows that ${held.name} is lost`);
    const { autoRenew, maxHoldMs } = held.terms;
    const mayEnd = !autoRenew || maxHoldMs !== Number.POSITIVE_INFINITY || !isOwn(held);
    if (isQuiet && !mayEnd && forcings.length === 0)
      fail('wrong answer', `${held.name} is lost, though it is renewed and nothing went wrong`);
  }

  /** A call to force a hold out, or a server that forgets, excuses it until its lease must be over. */
  function excuse(held: Held, why: string, at = now()): void {
    held.excused ??= why;
    held.excusedUntil = Math.max(held.excusedUntil, at + longestTtlMs * 1.02 + 100);
  }

  function believes({ step, lock, signal }: Held): boolean {
    if (step.watches !== 'state' && signal?.aborted) return false;
    return step.watches === 'signal' || (lock.state === 'held' && lock.remainingMs > 0);
  }

  /**
   * A forced release takes the key from one holder, which may not know it yet, and may hand it on inside its process. That it
   * frees no more than one is seen from what the backend frees.
   */
  function isForcedOut(held: Held): boolean {
    if (held.excused !== undefined && now() <= held.excusedUntil) return true;
    // Several may be on their way, and the first of them may be the last to arrive.
    const ends = forcings.flatMap(({ key, returnedAt }) => (key === held.step.key ? [returnedAt ?? now()] : []));
    if (ends.length === 0) return false;
    excuse(held, 'forced release', Math.max(...ends));
    return now() <= held.excusedUntil;
  }

  const isWaking = (machine: Machine): boolean => {
    const last = resumed.get(machine);
    return last !== undefined && now() - last.at < last.wakingMs;
  };

  function noteResumed(machine: Machine): void {
    const since = pausedAt.get(machine);
    pausedAt.delete(machine);
    const slept = machine.sleptMs > (sleptMs.get(machine) ?? 0);
    sleptMs.set(machine, machine.sleptMs);
    if (since !== undefined) resumed.set(machine, { at: now(), since, wakingMs: slept ? wakingFromSleepMs : wakingMs });
  }

  /** Since when a process stood still that has just gone on. */
  const stoppedSince = (machine: Machine): number | undefined =>
    pausedAt.get(machine) ?? (isWaking(machine) ? resumed.get(machine)?.since : undefined);

  function judge(key: string, held: ReadonlySet<Held>): void {
    const active = [...held].filter((one) => {
      if (one.machine.state !== 'running') return false;
      if (now() >= one.shortFrom) return false;
      if (one.step.watches === 'signal' && isWaking(one.machine)) return false;
      return one.excused === undefined || now() > one.excusedUntil;
    });
    const identities = new Set(active.map(({ identity }) => identity));
    if (identities.size < 2 || goTogether(active)) return;
    const inOrder = active.toSorted(byAge);
    for (const older of inOrder.slice(0, -1)) {
      if (older.identity !== inOrder.at(-1)!.identity && isForcedOut(older)) return judge(key, held);
    }
    const names = inOrder.map(
      ({ name, machine, lock }) => `${name} in ${machine.name} (${lock.remainingMs.toFixed(1)} ms left)`,
    );
    fail('two holders', `${key} is held by ${names.join(' and by ')}`);
  }

  /** What ended while its process stood still is not released by it, whatever its application does when it goes on. */
  function release(held: Held): void {
    const since = stoppedSince(held.machine);
    if (since !== undefined && held.lock.state !== 'held') end(held, 'lost', since);
    else end(held, 'release');
    graces.over(held);
  }

  return {
    failures,
    events,
    excuses,
    get hasForced() {
      return forcings.length > 0;
    },
    get mayBeBack() {
      return now() <= excusedAllAt + longestTtlMs * 1.02 + 100;
    },
    fail,
    granted(held) {
      const ofKey = inHand.get(held.step.key) ?? new Set();
      // It re-enters, or shares, a hold that was taken away by force, and does not know it yet.
      const sameLease = [...ofKey].filter((other) => other.identity === held.identity || isJoined(held, other, now()));
      for (const other of sameLease) {
        const { excused, excusedUntil, askedAt } = other;
        held.askedAt = Math.min(held.askedAt, askedAt);
        if (excused === undefined) continue;
        held.excused = excused;
        held.excusedUntil = excusedUntil;
      }
      lateRenewals.granted(held, sameLease);
      // It was granted before, and its answer was on its way.
      if (held.askedAt <= excusedAllAt) excuse(held, excuses.at(-1)!, excusedAllAt);
      inHand.set(held.step.key, ofKey.add(held));
      if (held.lock.mode !== 'exclusive') besideOthers.add(held.step.key);
      terms.granted(held);
      pins.granted(held);
      graces.granted(held);
      writes.granted(held.step.key, held.lock.fencingToken);
      record(held, 'acquire', 'invoke', held.invokedAt);
      record(held, 'acquire', 'ok');
    },
    pinned: pins.pinned,
    released: release,
    closing(machine, locks, isTheEnd) {
      graces.allOver();
      for (const ofKey of inHand.values()) {
        for (const held of [...ofKey]) {
          if (held.machine !== machine || held.step.locks !== locks) continue;
          // Amid faults a release may not get through, and closing waits for no longer than an attempt.
          if (isTheEnd) closedWith.add(held.step.key);
          release(held);
        }
      }
    },
    forced(key, client) {
      forcedBy.push(`${client} ${key}`);
      graces.forced(key);
      const forced: Forced = { key, invokedAt: now(), returnedAt: undefined };
      forcings.push(forced);
      return {
        returned() {
          forced.returnedAt = now();
        },
      };
    },
    freed(client, key, owner) {
      if (besideOthers.has(key)) return;
      const by = `${client} ${key}`;
      const owners = freedOwners.get(by) ?? new Set();
      freedOwners.set(by, owners.add(owner));
      const called = forcedBy.filter((one) => one === by).length;
      if (owners.size > called)
        fail('wrong answer', `${called} forced releases of ${key} freed the holds of ${owners.size} owners`);
    },
    asksToWrite: writes.asksToWrite,
    refusedWrite: writes.refusedWrite,
    sawWrite: writes.sawWrite,
    excuseAll(why) {
      excuses.push(why);
      graces.allOver();
      excusedAllAt = now();
      for (const ofKey of inHand.values()) for (const held of ofKey) excuse(held, why);
    },
    sample() {
      const pausedNow = new Map<Machine, number>();
      for (const [key, ofKey] of inHand) {
        for (const held of ofKey) {
          const { machine } = held;
          if (now() >= held.shortFrom && !mayBeShort.has(held)) {
            // While its process stands still, nobody believes in it.
            const from = Math.min(held.shortFrom, stoppedSince(machine) ?? Number.POSITIVE_INFINITY);
            record(held, 'hold', 'lost', Math.max(held.grantedAt, from));
            mayBeShort.add(held);
          }
          if (machine.state === 'paused') pausedNow.set(machine, stoppedSince(machine) ?? now());
          else if (machine.state === 'running') {
            noteResumed(machine);
            // What was lost while nothing of it ran was believed by nobody.
            if (!believes(held)) end(held, 'lost', stoppedSince(machine));
            else terms.stay(held);
          } else end(held, 'lost');
        }
        if (ofKey.size > 1) judge(key, ofKey);
      }
      pausedAt = pausedNow;
    },
    holdersOf: (key) => [...(inHand.get(key) ?? [])],
    hasHeld: (key) => closedWith.has(key),
    isHeldBy: (key, identity) => [...(inHand.get(key) ?? [])].some((held) => held.identity === identity),
    isHeld: (key) => (inHand.get(key)?.size ?? 0) > 0,
  };
}
