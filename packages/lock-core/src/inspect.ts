import type { Core } from './context.ts';
import { endless, unsupported } from './failures.ts';
import { insist } from './insist.ts';
import type { LockInfo } from './lock-adapter.ts';

// More would take the backend's time from those who lock.
const atOnce = 32;

/** Looks up the keys that fit the pattern, a page at a time. */
export async function* listLocks(core: Core, pattern: string = '*'): AsyncGenerator<LockInfo, void> {
  const { adapter } = core;
  const { keys, inspect } = adapter;
  if (keys === undefined || inspect === undefined) throw unsupported(adapter.name, 'way to list its locks');
  const fits = matcher(pattern);
  const seen = new Set<string>();
  let cursor: string | undefined;
  do {
    const page = await insist(core, undefined, () => keys.call(adapter, cursor));
    if (page.next !== undefined && page.next === cursor) throw endless(adapter.name, cursor);
    const fresh = page.keys.filter((key) => fits(key) && !seen.has(key));
    for (const key of fresh) seen.add(key);
    for (let i = 0; i < fresh.length; i += atOnce) {
      const some = fresh.slice(i, i + atOnce);
      const infos = await Promise.all(some.map((key) => insist(core, key, () => inspect.call(adapter, key))));
      yield* infos.filter((info) => info !== undefined);
    }
    cursor = page.next;
  } while (cursor !== undefined);
}

/** `*` for any characters and `?` for one; all others stand for themselves. */
function matcher(pattern: string): (key: string) => boolean {
  const source = pattern
    .replace(/[\\^$.+()[\]{}|/]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replace(/\?/g, '.');
  const expression = new RegExp(`^${source}$`, 'su');
  return (key) => expression.test(key);
}
