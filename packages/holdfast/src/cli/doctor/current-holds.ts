import { isLockError, type LockInfo, systemClock } from '@holdfast/lock-core';
import { openLocks } from '../../open-locks.ts';
import type { Target } from './target.ts';

// A backend may have very many, and the doctor must not slow down its users.
const most = 200;
const withinMs = 2_000;

/** The locks that are held now. */
export interface CurrentHolds {
  /** Those that have been held the longest come first. */
  readonly infos: readonly LockInfo[];
  /** Whether there are more, which were not read. */
  readonly isCut: boolean;
}

/** Reads who holds what; `undefined` if that is not permitted or gets no answer. */
export async function listHolds({ text }: Target): Promise<CurrentHolds | undefined> {
  const until = systemClock.now() + withinMs;
  const infos: LockInfo[] = [];
  try {
    await using locks = await openLocks(text, { backendTimeoutMs: withinMs });
    for await (const info of locks.list()) {
      if (infos.length === most || systemClock.now() > until) return { infos: sorted(infos), isCut: true };
      infos.push(info);
    }
    return { infos: sorted(infos), isCut: false };
  } catch (error) {
    if (isLockError(error)) return undefined;
    throw error;
  }
}

const begunAt = ({ holder }: LockInfo): number => (holder?.since ?? holder?.askedAt)?.getTime() ?? 0;

const sorted = (infos: readonly LockInfo[]): LockInfo[] => [...infos].sort((a, b) => begunAt(a) - begunAt(b));
