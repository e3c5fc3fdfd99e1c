import type { Database } from '../servers/postgres/database.ts';

/** Since when whom the tables name as a holder. */
export interface Holds {
  /** To be called after each commit. */
  look(): void;
  since(key: string, owner: string): number | undefined;
}

export function createHolds(database: Database, now: () => number): Holds {
  let known = new Map<string, number>();
  return {
    look() {
      const present = new Map<string, number>();
      for (const table of ['holdfast.lock', 'holdfast.holder']) {
        for (const { key, owner } of database.committed(table)) {
          const name = `${key} ${owner}`;
          present.set(name, known.get(name) ?? now());
        }
      }
      known = present;
    },
    since: (key, owner) => known.get([key, owner].map((text) => Buffer.from(text).toString('hex')).join(' ')),
  };
}
