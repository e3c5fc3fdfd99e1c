import type { LockInfo } from '@holdfast/lock-core';
import { shownDuration } from './durations.ts';
import { shown, styled } from './output.ts';

/** A lock as JSON has it: tokens are digits in a string, since they exceed what a double holds exactly. */
export interface LockJson {
  readonly key: string;
  readonly held: boolean;
  readonly owner?: string;
  /** The name of the process that holds it, where the owner ID has one. */
  readonly holder?: string | undefined;
  readonly fencingToken?: string | undefined;
  readonly remainingMs?: number | undefined;
  readonly waiters?: number | undefined;
  readonly mode?: LockInfo['mode'];
  readonly holders?: number | undefined;
  readonly limit?: number | undefined;
}

/** The state of a key as JSON has it. */
export function lockJson(key: string, info: LockInfo | undefined): LockJson {
  if (info === undefined) return { key, held: false };
  const { owner, holder, fencingToken, remainingMs, waiters, mode, holders, limit } = info;
  return {
    key,
    held: true,
    owner,
    holder: holder?.name,
    fencingToken: fencingToken?.toString(),
    remainingMs: remainingMs === undefined ? undefined : Math.round(remainingMs),
    waiters,
    mode,
    holders,
    limit,
  };
}

/** The state of a key as lines for a person. What a backend does not know is left out. */
export function lockLines(key: string, info: LockInfo | undefined): string[] {
  const name = styled('bold', shown(key));
  if (info === undefined) return [`${name} is ${styled('green', 'free')}`];
  const { owner, holder, fencingToken, remainingMs, waiters, mode = 'exclusive', holders = 1, limit } = info;
  const lines = [`${name} is ${styled('yellow', 'held')}`];
  if (mode === 'shared') lines.push(row('shared by', String(holders)));
  if (mode === 'permits') lines.push(row('permits', `held by ${holders}, ${limit ?? 'unknown'} in all`));
  // What follows is that of the first of them.
  if (holder !== undefined) lines.push(row('holder', shown(holder.name)));
  lines.push(row('owner', shown(owner)));
  if (fencingToken !== undefined) lines.push(row('fencing token', String(fencingToken)));
  if (remainingMs !== undefined) lines.push(row('lease', `${shownDuration(remainingMs)} left, unless it is renewed`));
  else lines.push(row('lease', 'as long as the session of its holder'));
  if (waiters !== undefined) lines.push(row('waiting', String(waiters)));
  return lines;
}

function row(name: string, value: string): string {
  return `  ${styled('dim', name.padEnd(14))} ${value}`;
}
