import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** What a package of ours exports, here or, where `before` names its folder, in a built worktree of an earlier commit. */
export async function packageOf<T>(before: string | undefined, name: string, here: () => Promise<T>): Promise<T> {
  if (before === undefined) return here();
  return (await import(String(pathToFileURL(join(before, 'packages', name, 'dist', 'index.js'))))) as T;
}
