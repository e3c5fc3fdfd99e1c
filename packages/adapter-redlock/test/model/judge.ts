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
  /** True time until which its client believes in it. */
  until: number;
}

/** Sees all grants in true time, and judges them. */
export interface Judge {
  /** What an acquisition that begins now has to exceed. */
  begin(): number;
  /** A hold was granted; `begun` is what `begin` said. */
  grant(now: number, owner: string, first: number, tokens: number, until: number, begun: number): void;
  renewed(now: number, owner: string, until: number): void;
  /** The owner believes in it no more. */
  end(now: number, owner: string): void;
  readonly grants: number;
}

/** `exclusion` and `tokens` say which promises are to be kept. */
export function createJudge(exclusion: boolean, tokens: boolean): Judge {
  const granted: Hold[] = [];
  let highest = 0;

  const latest = (owner: string): Hold | undefined => granted.findLast((hold) => hold.owner === owner);

  function exclude(now: number, owner: string): void {
    if (!exclusion) return;
    const other = granted.find((hold) => hold.owner !== owner && hold.until > now);
    if (other === undefined) return;
    throw new Broken('exclusion', `at ${now} ${owner} and ${other.owner} (until ${other.until}) both hold the lock`);
  }

  return {
    begin: () => highest,
    grant(now, owner, first, count, until, begun) {
      const last = first + count - 1;
      const own = latest(owner);
      if (own?.first === first) {
        own.until = Math.max(own.until, until);
      } else {
        if (exclusion && own !== undefined && own.until > now) {
          throw new Broken('idempotent', `${owner} holds with ${own.first} and was granted ${first}`);
        }
        const same = granted.find((hold) => hold.first <= last && first <= hold.last);
        if (tokens && same !== undefined) {
          throw new Broken('unique', `${owner} got ${first}-${last}, ${same.owner} had ${same.first}-${same.last}`);
        }
        if (tokens && first <= begun)
          throw new Broken('rising', `${owner} got ${first}, but ${begun} was granted before it asked`);
        granted.push({ owner, first, last, until });
        highest = Math.max(highest, last);
      }
      exclude(now, owner);
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
