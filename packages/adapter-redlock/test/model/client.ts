import type { Claim } from '@holdfast/lock-core';
import type { Verdict } from '../../src/protocol/majority.ts';
import { majorityOf, type QuorumClock, type QuorumContext, validityMs } from '../../src/protocol/node.ts';
import { createQuorum, type Quorum } from '../../src/protocol/quorum.ts';
import { soundQuorum } from '../../src/protocol/quorum-size.ts';
import type { Judge } from './judge.ts';
import { connect, type Site, type Weather } from './network.ts';
import type { Dice, World } from './world.ts';

/** What a client with a known mistake does differently. */
export interface ClientFaults {
  /** Believes in its holds for the whole TTL. */
  readonly noDrift?: boolean;
  /** Takes half of an even number of nodes, or less of an odd one, for a majority. */
  readonly halfIsEnough?: boolean;
  /** Takes one vote fewer than is sound for permits. */
  readonly oneVoteTooFew?: boolean;
  /** Takes the votes of its hold back when it stops to use them for a moment. */
  readonly releasesEarly?: boolean;
}

/** A process with its clocks, which may stop for a while. */
export interface Machine {
  readonly rate: number;
  /** Of its wall clock against true time, in µs; may jump. */
  skewMicros: number;
  /** Of its wall clock. */
  readonly granularityMs: number;
  pausedUntil: number;
}

/**
 * A client that takes the lock again and again as lock-core would: it repeats what has no answer with the same owner, renews,
 * believes in a hold until its own clock says otherwise, and releases an owner that it gives up, never to use it again.
 */
export function createClient(
  name: string,
  world: World,
  random: Dice,
  sites: readonly Site[],
  weather: Weather,
  machine: Machine,
  judge: Judge,
  faults: ClientFaults,
  drawClaim: () => Claim = () => ({ mode: 'exclusive' }),
  limit = 1,
): { start(acquisitions: number): void } {
  const now = (): number => world.now * machine.rate;
  const inTrueMs = (ms: number): number => ms / machine.rate;

  /** Hands something to the process, when it runs. */
  const deliver = (run: () => void): void => {
    if (world.now >= machine.pausedUntil) run();
    else world.after(machine.pausedUntil - world.now, () => deliver(run));
  };
  const clock: QuorumClock = {
    now,
    micros: () => Math.floor(world.now / machine.granularityMs) * machine.granularityMs * 1_000 + machine.skewMicros,
    after(ms, callback) {
      let cancelled = false;
      // After the answers of the same moment.
      const cancel = world.after(inTrueMs(ms), () => deliver(() => world.after(0, () => cancelled || callback())));
      return () => {
        cancelled = true;
        cancel();
      };
    },
  };
  const context: QuorumContext = {
    nodes: sites.map((site) => connect(world, random, weather, site, deliver)),
    majority: faults.halfIsEnough ? Math.floor(sites.length / 2) || 1 : majorityOf(sites.length),
    permitQuorum: faults.oneVoteTooFew ? soundQuorum(sites.length, limit) - 1 || 1 : undefined,
    clock,
    random: random.below,
    nodeTimeoutMs: random.pick([10, 40, 150]),
  };
  const quorum: Quorum = createQuorum(context);
  let made = 0;
  let left = 0;

  function next(): void {
    if (left === 0) return;
    left -= 1;
    clock.after(random.between(0, 60), () => acquisition());
  }

  function acquisition(): void {
    const owner = `${name}${made++}`;
    // Renewals are for the longest lease: one that shortens it must not be overtaken, which connections see to.
    const renewedMs = random.pick([100, 200, 400]);
    const ttlMs = random.pick([100, 200, 400].filter((ms) => ms <= renewedMs));
    const tokens = random.pick([1, 1, 65]);
    let claim = drawClaim();
    const begun = judge.begin();
    let given = false;
    let tries = 1 + random.below(4);
    let deadline = Number.NEGATIVE_INFINITY;

    function ask(): void {
      const sentAt = now();
      tries -= 1;
      let answered = false;
      // A holder that asks again, for however long, keeps the lease that it has.
      const askedMs = given ? random.pick([100, ttlMs, renewedMs].filter((ms) => ms <= renewedMs)) : ttlMs;
      const giveUpWaiting = clock.after(ttlMs / 3, () => {
        if (!answered && !given) again();
      });
      quorum.acquire({ key: 'k', owner, ttlMs: askedMs, tokens, claim }, (outcome) => {
        answered = true;
        giveUpWaiting();
        if (given && deadline === Number.NEGATIVE_INFINITY) return;
        if (outcome.kind === 'granted') hold(outcome.first, outcome.tokens, sentAt + outcome.validForMs);
        else if (!given && outcome.kind === 'busy') busy(outcome.retryAfterMs);
        else if (!given) again();
      });
    }

    /** Repeats a request without an answer, with the same owner. */
    function again(): void {
      if (tries <= 0) giveUp();
      else clock.after(random.between(0, 40), () => given || ask());
    }

    /** Another has the lock: the next request is another owner's, and sometimes a repetition of this one was on its way. */
    function busy(retryAfterMs: number | undefined): void {
      if (tries > 0 && random.chance(0.2)) return again();
      given = true;
      left += tries > 0 ? 1 : 0;
      if (random.chance(0.5)) quorum.release({ key: 'k', owner, claim: 'any', first: undefined }, () => {});
      // Often at the very moment at which the holder's votes end.
      const pauseMs = retryAfterMs !== undefined && random.chance(0.7) ? retryAfterMs + 1 : random.between(0, 40);
      clock.after(pauseMs, next);
    }

    /** Ends the acquisition, or the hold, for good. */
    function giveUp(): void {
      if (given && deadline === Number.NEGATIVE_INFINITY) return;
      given = true;
      deadline = Number.NEGATIVE_INFINITY;
      judge.end(world.now, owner);
      let releases = 2;
      const release = (): void =>
        quorum.release({ key: 'k', owner, claim: 'any', first: undefined }, ({ items: [freed] }) => {
          releases -= 1;
          if (freed !== true && releases > 0) release();
        });
      // A process that died releases nothing.
      if (random.chance(0.85)) release();
      next();
    }

    function hold(first: number, count: number, until: number): void {
      const extra = faults.noDrift ? ttlMs - validityMs(ttlMs) : 0;
      const better = Math.max(deadline, until + extra);
      if (better <= now()) return again();
      if (given && deadline <= now()) return;
      const fresh = !given;
      given = true;
      deadline = better;
      judge.grant(world.now, owner, first, count, trueTime(deadline), begun, claim);
      if (fresh) use(first, 1 + random.below(4));
    }

    const trueTime = (local: number): number => local / machine.rate;

    function use(first: number, steps: number): void {
      // Some stand by their hold until its end, and do nothing for it.
      const pauseMs = random.chance(0.3) ? deadline - now() : random.between(0, ttlMs / 2);
      clock.after(pauseMs, () => {
        if (deadline <= now() || steps === 0) return giveUp();
        if (faults.releasesEarly) quorum.release({ key: 'k', owner, claim: 'any', first: undefined }, () => {});
        if (claim.mode === 'exclusive' && drawClaim().mode === 'shared') renew(first, true);
        else if (random.chance(0.3)) ask();
        else renew(first);
        use(first, steps - 1);
      });
    }

    function renew(first: number, downgrades = false): void {
      const sentAt = now();
      if (downgrades) {
        claim = { mode: 'shared' };
        judge.share(owner);
      }
      const held = { key: 'k', owner, claim, first: claim.mode === 'shared' && !downgrades ? undefined : first };
      const told = ({ items: [renewed] }: Verdict): void => {
        // What is over stays over.
        if (deadline <= now()) return;
        if (renewed === false) return giveUp();
        if (renewed === undefined) return;
        deadline = Math.max(deadline, sentAt + (faults.noDrift ? renewedMs : validityMs(renewedMs)));
        judge.renewed(world.now, owner, trueTime(deadline));
      };
      if (downgrades) quorum.downgrade(held, renewedMs, told);
      else quorum.renew([held], renewedMs, told);
    }

    ask();
  }

  return {
    start(acquisitions) {
      left = acquisitions;
      next();
    },
  };
}
