import type { LockAdapter } from '@holdfast/lock-core';
import type { ClientKit, Target } from './kit.ts';

/** Which kit to connect with, and where. */
export interface KitOptions {
  readonly file: string;
  readonly name: string;
  readonly target: Target;
}

/** A client of another process, as the conformance suite asks for it. */
export async function openAdapter({ file, name, target }: KitOptions): Promise<LockAdapter> {
  const { kits } = (await import(file)) as { kits: readonly ClientKit[] };
  const kit = kits.find((each) => each.name === name);
  if (kit === undefined) throw new Error(`no kit ${name}`);
  return kit.connect(target).adapter();
}
