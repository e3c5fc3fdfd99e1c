import type { Backend, Holder } from '../backends/backend.ts';
import { models } from '../backends/models.ts';
import type { LastingCollections } from '../engine/lasting-collections.ts';
import type { Machine } from '../engine/machine.ts';
import { allSteps, keysOf } from '../schedule/all-steps.ts';
import { goTogether, isOtherMode } from '../schedule/draw-modes.ts';
import type { Deed, Schedule } from '../schedule/types.ts';
import type { Calls, OpenCall } from './calls.ts';
import { longestWayMs, termsOf } from './deadlines.ts';
import type { Oracle } from './oracle.ts';
import { unheardGrant } from './unheard-grants.ts';
import type { AdapterWatch } from './watched-adapter.ts';
import type { Watches } from './watches.ts';

/** Whether everything goes on, and ends. Asked only when nothing goes wrong any more. */
export interface Liveness {
  /** For how long the calm part may last. */
  readonly patienceMs: number;
  /** To be called every now and then, in the calm part. */
  look(): void;
  /** Nobody has asked for anything for seconds, and nobody holds anything. */
  lookWhenIdle(): void;
  /** All locks are about to be closed, which gives up what is not cleaned up by then. */
  stop(): void;
  /** `isQuiet`: nothing was left to clean up when the closing began. */
  lookAfterClose(open: number, isQuiet: boolean): void;
  /** Everything was cleaned up long before the closing, and what that sent has arrived. */
  lookForStrays(): void;
  lookAtTheEnd(): void;
}

interface Terms {
  readonly schedule: Schedule;
  readonly backend: Backend;
  readonly machines: readonly Machine[];
  readonly calls: Calls;
  readonly oracle: Oracle;
  readonly watches: Watches;
  readonly adapters: AdapterWatch;
  /** Those of each process. */
  readonly lasting: readonly LastingCollections[];
  now(): number;
  note(who: string, what: string): void;
}

export function createLiveness(terms: Terms): Liveness {
  const { schedule, backend, machines, calls, oracle, watches, adapters, lasting, now, note } = terms;
  const mayRefuse = models[schedule.backend].mayRefuseFreeKey?.(schedule.options) ?? false;
  // Where answers take longer than the time-out that was chosen, a clean-up succeeds but by chance.
  const { slowRate, slowMs, mostMs } = schedule.network;
  const slowestMs = Math.max(2 * mostMs, slowRate > 0 ? slowMs : 0);
  const answersTooLate = Number(schedule.options.callTimeoutMs) < slowestMs;
  // What a server refuses to give up, or what another one answers in its place, stays to the end of the lease; so does a vote that a
  // connection delivers which its client has given up.
  const withdrawsAll = schedule.faults.every(
    (fault) => fault.kind !== 'half-open' && (fault.kind !== 'server' || fault.name === 'flush scripts'),
  );
  const keys = [...new Set(allSteps(schedule.steps).flatMap(keysOf))];
  let isStopped = false;
  const freeSince = new Map<string, number>();
  let groupsSince = Number.POSITIVE_INFINITY;
  const orphanSince = new Map<string, number>();
  const deadSince = new Map<string, number>();
  const sharersSince = new Map<string, number>();
  const holders = new Map<string, { readonly owner: string | undefined; readonly since: number }>();
  const playsModes = allSteps(schedule.steps).some(
    (step) => isOtherMode(step.options) || step.inside.some((deed) => deed.do === 'downgrade'),
  );
  // Where some messages take longer than a lease, many grants come too late.
  const limitMs = 6_000 + models[schedule.backend].slowestHintMs + (schedule.network.slowRate > 0 ? 20_000 : 0);
  // What lasts in a process is of its keys and servers, and not of its calls.
  const mostKept = 15 + 5 * keys.length;
  const mostTimers = 40 + 8 * allSteps(schedule.steps).length;
  // A majority is released all the same, and two nodes that each keep the vote of another owner keep the next one out.
  const leftVotesMs = schedule.backend === 'redlock' && !withdrawsAll ? longestTtl(schedule) * 1.01 : 0;
  const mayLeave = (): boolean => answersTooLate || oracle.mayBeBack;

  /**
   * For how long a key may be held by nobody. A process that is killed leaves its hold for one lease, as do locks that are closed amid
   * faults; one with a grace is kept for that. lock-core cleans up for as long as a request may arrive, which is its lease and `backendTimeoutMs`: what arrives even later
   * stays for one lease as well.
   */
  const orphanLimitMs = (key: string): number => {
    const mayLast =
      leftVotesMs > 0 ||
      schedule.faults.some(({ kind }) => kind === 'crash') ||
      schedule.steps.some(({ call }) => call === 'close') ||
      allSteps(schedule.steps).some((step) => {
        const { ttlMs, graceMs, backendTimeoutMs } = termsOf(schedule, step);
        return keysOf(step).includes(key) && (graceMs > 0 || longestWayMs(schedule) > ttlMs + backendTimeoutMs);
      });
    return limitMs + (mayLast ? longestTtl(schedule) * 1.01 : 0);
  };

  /** Since when the backend has been seen to have the same holder, or none. */
  function heldSince(key: string, owner: string | undefined): number {
    const known = holders.get(key);
    if (known !== undefined && known.owner === owner) return known.since;
    holders.set(key, { owner, since: now() });
    return now();
  }

  const waits = ({ what, machine }: OpenCall): boolean =>
    (what === 'acquire' || what === 'using') && machine.state === 'running';

  function lookAtKey(key: string): void {
    const holder = backend.holderOf(key);
    const waiting = [...calls.open].filter((call) => call.step.key === key && waits(call));
    if (holder === undefined && !oracle.isHeld(key) && waiting.length > 0 && !mayRefuse) {
      const since = freeSince.get(key) ?? now();
      freeSince.set(key, since);
      const first = waiting.find(({ startedAt }) => startedAt <= since);
      if (first !== undefined && now() - since > limitMs + leftVotesMs) {
        oracle.fail(
          'waits while the key is free',
          `#${first.step.id} in ${first.machine.name} has waited for ${key} for ${Math.round(now() - since)} ms in which it was free`,
        );
      }
    } else freeSince.delete(key);

    const held = heldSince(key, holder?.owner);
    if (slowRate === 0) watches.look(key, holder?.owner, now() - held, !playsModes);
    // Whoever has asked since then asks for an owner ID of its own, and so do those of other processes.
    const process = holder && adapters.processOf(holder.owner);
    const touched = [...calls.open].some(
      ({ step, what, startedAt, machine }) =>
        what !== 'watch' &&
        startedAt <= held &&
        (process === undefined || process === machine.name) &&
        keysOf(step).includes(key),
    );
    lookAtTheDead(key, process, waiting);
    lookAtTheGranted(key, holder, held);
    if (holder !== undefined && !oracle.isHeld(key) && !touched && !mayLeave()) {
      const since = orphanSince.get(key) ?? now();
      orphanSince.set(key, since);
      if (now() - since > orphanLimitMs(key)) {
        oracle.fail(
          'held by nobody',
          `${key} is held in the backend by ${holder.owner}, and for ${Math.round(now() - since)} ms no lock and no call has been there for it`,
        );
      }
    } else orphanSince.delete(key);
  }

  /** Whoever is granted the key while it waits in the backend's queue hears of it, or finds out. */
  function lookAtTheGranted(key: string, holder: Holder | undefined, since: number): void {
    if (mayRefuse || mayLeave()) return;
    const looked = { open: calls.open, processOf: adapters.processOf, isHeld: oracle.isHeld, now };
    const { call, forMs = 0 } = unheardGrant(looked, key, holder, since) ?? {};
    if (call === undefined || forMs <= orphanLimitMs(key)) return;
    const who = `#${call.step.id} in ${call.machine.name}`;
    oracle.fail(
      'waits while the key is free',
      `${who} still waits for ${key}, which its process was granted in the backend ${Math.round(forMs)} ms ago`,
    );
  }

  /** Those who were killed delay the others once, however many of them held or waited. */
  function lookAtTheDead(key: string, process: string | undefined, waiting: readonly OpenCall[]): void {
    const isOfTheDead = machines.some(({ name, state }) => name === process && state === 'crashed');
    const isLive = oracle.isHeld(key) || (backend.holderOf(key) !== undefined && !isOfTheDead);
    if (isLive || waiting.length === 0 || mayRefuse || mayLeave()) return void deadSince.delete(key);
    const since = deadSince.get(key) ?? now();
    deadSince.set(key, since);
    const first = waiting.find(({ startedAt }) => startedAt <= since);
    if (first === undefined || now() - since <= orphanLimitMs(key)) return;
    oracle.fail(
      'waits while the key is free',
      `#${first.step.id} in ${first.machine.name} has waited for ${key} for ${Math.round(now() - since)} ms in which nobody had it but processes that were killed`,
    );
  }

  /** Those who may hold a key together with all who hold it and all who want it have nobody to wait for. */
  function lookAtSharers(key: string): void {
    const held = oracle.holdersOf(key);
    const wanted = [...calls.open].filter(({ step, what }) => asking.has(what) && keysOf(step).includes(key));
    const first = wanted.find(waits);
    const all = [
      ...held.map(({ step, lock }) => ({ ...step.options, mode: lock.mode === 'shared' ? lock.mode : undefined })),
      ...wanted.map(({ step }) => step.options),
    ];
    if (first === undefined || held.length === 0 || mayRefuse || mayLeave() || !goTogether(all))
      return void sharersSince.delete(key);
    const since = sharersSince.get(key) ?? now();
    sharersSince.set(key, since);
    const waitsSince = Math.max(since, first.startedAt);
    if (now() - waitsSince <= orphanLimitMs(key)) return;
    const { step, machine } = first;
    oracle.fail(
      'waits while the key is free',
      `#${step.id} in ${machine.name} has waited for ${key} for ${Math.round(now() - waitsSince)} ms, which nobody holds or wants with whom it may not share it`,
    );
  }

  /** Those who wait for several keys while nobody has any key wait for each other. */
  function lookAtGroups(): void {
    const waiting = [...calls.open].filter(({ what, machine }) => what === 'acquireAll' && machine.state === 'running');
    const isAnyHeld = keys.some((key) => oracle.isHeld(key));
    if (waiting.length === 0 || isAnyHeld || mayRefuse || mayLeave()) {
      groupsSince = Number.POSITIVE_INFINITY;
      return;
    }
    groupsSince = Math.min(groupsSince, now());
    const first = waiting.find(({ startedAt }) => startedAt <= groupsSince);
    if (first === undefined || now() - groupsSince <= Math.max(...keys.map(orphanLimitMs))) return;
    const forMs = Math.round(now() - groupsSince);
    oracle.fail(
      'waits while the key is free',
      `#${first.step.id} in ${first.machine.name} has waited for its keys for ${forMs} ms in which nobody had any key`,
    );
  }

  return {
    patienceMs: 60_000 + 2 * longestTtl(schedule, 60_000),
    look() {
      if (isStopped || oracle.failures.length > 0) return;
      for (const key of keys) lookAtKey(key);
      for (const key of playsModes ? keys : []) lookAtSharers(key);
      lookAtGroups();
      for (const machine of machines) {
        if (machine.timers > mostTimers) {
          oracle.fail('too many timers', `${machine.name} has ${machine.timers} timers`);
        }
      }
    },
    lookWhenIdle() {
      const most = 2 + 4 * keys.length * machines.length;
      const subscriptions = backend.subscriptions?.() ?? 0;
      if (subscriptions > most)
        oracle.fail('left behind', `${subscriptions} subscriptions, though nobody waits for anything`);
    },
    stop() {
      isStopped = true;
    },
    lookAfterClose(open, isQuiet) {
      const crashed = machines.some(({ state }) => state === 'crashed');
      for (const key of isQuiet && !crashed && !answersTooLate && !oracle.mayBeBack ? keys : []) {
        const holder = backend.holderOf(key);
        if (holder !== undefined && oracle.hasHeld(key) && orphanLimitMs(key) === limitMs)
          oracle.fail(
            'held by nobody',
            `${key} is held in the backend by ${holder.owner}, though all locks are closed`,
          );
      }
      for (const { step, what, machine, startedAt } of calls.open) {
        if (machine.state === 'crashed') continue;
        const waited = Math.round(now() - startedAt);
        oracle.fail(
          'never settles',
          `#${step.id} ${what} in ${machine.name} has not settled for ${waited} ms, though its locks are closed`,
        );
      }
      if (open > 0 && oracle.failures.length === 0)
        oracle.fail('never settles', `${open} processes are still closing their locks`);
    },
    lookForStrays() {
      const crashed = machines.some(({ state }) => state === 'crashed');
      // What is closed while a server cannot be reached leaves its vote there to the end of the lease.
      const mayMiss = schedule.faults.length > 0 && allSteps(schedule.steps).some(({ call }) => call === 'close');
      if (crashed || oracle.mayBeBack || slowRate > 0 || !withdrawsAll || mayMiss) return;
      for (const stray of backend.strays?.() ?? [])
        oracle.fail('held by nobody', `${stray} is still there, though all locks are closed`);
    },
    lookAtTheEnd() {
      for (const [i, { size }] of lasting.entries()) {
        if (machines[i]!.state === 'running' && size > mostKept && !answersTooLate)
          oracle.fail(
            'left behind',
            `${machines[i]!.name} keeps ${size} entries in maps and sets long after it closed its locks`,
          );
      }
      for (const left of backend.leftovers()) oracle.fail('left behind', left);
      for (const machine of machines) {
        if (machine.state === 'running' && machine.timers > 0) {
          oracle.fail('timers left', `${machine.name} has ${machine.timers} timers long after it closed its locks`);
        }
      }
      note('calm', 'the end');
    },
  };
}

const asking: ReadonlySet<string> = new Set(['acquire', 'using', 'tryAcquire', 'acquireAll', 'tryAcquireAll', 'lead']);

/** The longest lease that anybody asks for, with its grace; those of weeks do not count beyond `mostMs`. */
export function longestTtl({ clients, steps }: Schedule, mostMs: number = Number.POSITIVE_INFINITY): number {
  const asked = [
    ...clients.flatMap(({ locks }) => locks.map(({ ttlMs }) => ttlMs ?? 30_000)),
    ...allSteps(steps).flatMap(({ options, inside }) => [options.ttlMs ?? 0, ...inside.map(renewal)]),
  ];
  const graces = allSteps(steps).map(({ options }) => options.graceMs ?? 0);
  return Math.min(mostMs, Math.max(...asked) + Math.max(0, ...graces));
}

const renewal = (deed: Deed): number => (deed.do === 'renew' ? (deed.ttlMs ?? 0) : 0);
