import type { Claim } from '@holdfast/lock-core';

/** A promise that did not hold, with what to know of it. */
export class Broken extends Error {
  readonly promise: 'exclusion' | 'unique' | 'rising' | 'idempotent' | 'liveness';
  constructor(promise: Broken['promise'], message: string) {
    super(`${promise}: ${message}`);
    this.promise = promise;
  }
}

interface Hold {
  readonly owner: string;
  readonly first: number;
  readonly last: number;
  claim: Claim;
  /** True time until which its client believes in it. */
  until: number;
}

/** The highest tokens that were granted when an acquisition began. */
export interface Begun {
  readonly all: number;
  /** Without those of readers. */
  readonly own: number;
}

/** Sees all grants in true time, and judges them. */
export interface Judge {
  /** What an acquisition that begins now has to exceed. */
  begin(): Begun;
  /** A hold was granted; `begun` is what `begin` said. */
  grant(now: number, owner: string, first: number, tokens: number, until: number, begun: Begun, claim: Claim): void;
  /** The owner is a reader from now on. */
  share(owner: string): void;
  renewed(now: number, owner: string, until: number): void;
  /** The owner believes in it no more. */
  end(now: number, owner: string): void;
  readonly grants: number;
}

const permitsOf = (claim: Claim): number => (claim.mode === 'permits' ? claim.permits : 0);

/** `exclusion` and `tokens` say which promises are to be kept. */
export function createJudge(exclusion: boolean, tokens: boolean): Judge {
  const granted: Hold[] = [];
  let highest: Begun = { all: 0, own: 0 };

  const latest = (owner: string): Hold | undefined => granted.findLast((hold) => hold.owner === owner);

  function exclude(now: number, owner: string): void {
    if (!exclusion) return;
    const { claim } = latest(owner)!;
    const others = granted.filter((hold) => hold.owner !== owner && hold.until > now);
    const permits = others.reduce((sum, hold) => sum + permitsOf(hold.claim), permitsOf(claim));
    const fits =
      claim.mode === 'permits'
        ? permits <= claim.limit
        : others.length === 0 || [claim, ...others.map((hold) => hold.claim)].every(({ mode }) => mode === 'shared');
    const [other] = others;
    if (fits || other === undefined) return;
    throw new Broken('exclusion', `at ${now} ${owner} and ${other.owner} (until ${other.until}) both hold the lock`);
  }

  return {
    begin: () => highest,
    grant(now, owner, first, count, until, begun, claim) {
      const isShared = claim.mode === 'shared';
      const last = first + count - 1;
      const own = latest(owner);
      if (own?.first === first || (isShared && own !== undefined)) {
        own.until = Math.max(own.until, until);
      } else {
        if (exclusion && own !== undefined && own.until > now) {
          throw new Broken('idempotent', `${owner} holds with ${own.first} and was granted ${first}`);
        }
        const same = granted.find(
          (hold) => hold.claim.mode !== 'shared' && !isShared && hold.first <= last && first <= hold.last,
        );
        if (tokens && same !== undefined) {
          throw new Broken('unique', `${owner} got ${first}-${last}, ${same.owner} had ${same.first}-${same.last}`);
        }
        if (tokens && (isShared ? first < begun.own : first <= begun.all))
          throw new Broken('rising', `${owner} got ${first}, but ${begun.all} was granted before it asked`);
        granted.push({ owner, first, last, claim, until });
        highest = { all: Math.max(highest.all, last), own: isShared ? highest.own : Math.max(highest.own, last) };
      }
      exclude(now, owner);
    },
    share(owner) {
      latest(owner)!.claim = { mode: 'shared' };
    },
    renewed(now, owner, until) {
      const own = latest(owner)!;
      own.until = Math.max(own.until, until);
      exclude(now, owner);
    },
    end(now, owner) {
      const own = latest(owner);
      if (own !== undefined) own.until = Math.min(own.until, now);
    },
    get grants() {
      return granted.length;
    },
  };
}
