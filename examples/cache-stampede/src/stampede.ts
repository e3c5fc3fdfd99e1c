import { setTimeout as sleep } from 'node:timers/promises';
import { type Locks, openLocks } from 'holdfast';
import { type Cache, getOrLoad, getOrLoadOnce, openCache } from './cache.ts';

export const requests = 1_000;
const servers = 4;

/** How often the database was asked, and whether everybody got its answer. */
export interface Outcome {
  readonly loads: number;
  readonly served: number;
}

/** 1,000 requests, spread over 4 servers each with locks of its own, all for one page that the cache has not. */
export async function stampede(url: string, locked: boolean): Promise<Outcome> {
  const fleet = await Promise.all(Array.from({ length: servers }, () => openLocks(url)));
  try {
    return await serve(openCache(), locked ? fleet : undefined);
  } finally {
    await Promise.all(fleet.map((locks) => locks.close()));
  }
}

async function serve(cache: Cache, fleet: readonly Locks[] | undefined): Promise<Outcome> {
  let loads = 0;
  const load = async () => {
    loads++;
    await sleep(200); // the slow query
    return '<h1>front page</h1>';
  };
  const pages = await Promise.all(
    Array.from({ length: requests }, (_, i) =>
      fleet === undefined
        ? getOrLoad(cache, 'front-page', load)
        : getOrLoadOnce(fleet[i % servers]!, cache, 'front-page', load),
    ),
  );
  return { loads, served: pages.filter((page) => page === '<h1>front page</h1>').length };
}
