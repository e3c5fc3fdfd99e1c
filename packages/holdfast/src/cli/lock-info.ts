import { type LockInfo, systemClock } from '@holdfast/lock-core';
import stringWidth from 'string-width';
import { shownDuration } from './durations.ts';
import { shown, styled } from './output.ts';

/** A lock in JSON: tokens are strings of digits, because they may exceed what a double holds exactly. */
export interface LockJson {
  readonly key: string;
  readonly held: boolean;
  readonly owner?: string;
  /** The name of the process that holds it, if the owner ID contains one. */
  readonly holder?: string | undefined;
  /** When it requested the lock, and since when it has held it, if known; in ISO 8601. */
  readonly askedAt?: string | undefined;
  readonly since?: string | undefined;
  readonly fencingToken?: string | undefined;
  readonly remainingMs?: number | undefined;
  readonly waiters?: number | undefined;
  readonly mode?: LockInfo['mode'];
  readonly holders?: number | undefined;
  readonly limit?: number | undefined;
}

/** The state of a key in JSON. */
export function lockJson(key: string, info: LockInfo | undefined): LockJson {
  if (info === undefined) return { key, held: false };
  const { owner, holder, fencingToken, remainingMs, waiters, mode, holders, limit } = info;
  return {
    key,
    held: true,
    owner,
    holder: holder?.name,
    askedAt: holder?.askedAt?.toISOString(),
    since: holder?.since?.toISOString(),
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
  if (mode === 'exclusive') lines.push(row('mode', mode));
  if (mode === 'shared') lines.push(row('mode', `shared by ${holders}`));
  if (mode === 'permits') lines.push(row('mode', `permits, held by ${holders}, ${limit ?? 'unknown'} in all`));
  // The following lines are about the first of them.
  if (holder !== undefined) lines.push(row('holder', shown(holder.name)));
  if (holder?.since !== undefined) lines.push(row('since', `${isoSecond(holder.since)}, for ${age(holder.since)}`));
  else if (holder?.askedAt !== undefined)
    lines.push(row('since', `${isoSecond(holder.askedAt)} at the earliest, when it asked`));
  lines.push(row('owner', shown(owner)));
  if (fencingToken !== undefined) lines.push(row('fencing token', String(fencingToken)));
  if (remainingMs !== undefined) lines.push(row('lease', `${shownDuration(remainingMs)} left, unless it is renewed`));
  else lines.push(row('lease', 'until it is released, or the session of its holder ends'));
  if (waiters !== undefined) lines.push(row('waiting', String(waiters)));
  return lines;
}

/** Locks as a table. The key comes first, because people look for it; its width on the screen counts. */
export function lockTable(infos: readonly LockInfo[]): string[] {
  const rows = infos.map((info) => {
    const { key, mode, remainingMs, fencingToken, waiters, owner, holder } = info;
    return [
      shown(key),
      shown(holder?.name ?? owner),
      heldFor(info),
      mode ?? 'exclusive',
      remainingMs === undefined ? 'session' : shownDuration(remainingMs),
      waiters === undefined ? '?' : String(waiters),
      String(fencingToken ?? '-'),
    ];
  });
  const head = ['key', 'holder', 'held for', 'mode', 'lease left', 'waiting', 'fencing token'];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => stringWidth(row[i]!))));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell + ' '.repeat(widths[i]! - stringWidth(cell)))
      .join('  ')
      .trimEnd();
  return [styled('dim', line(head)), ...rows.map(line)];
}

/** For how long a lock has been held, for a table; an upper bound if only the time of the request is known. */
function heldFor({ holder }: LockInfo): string {
  if (holder?.since !== undefined) return age(holder.since);
  return holder?.askedAt === undefined ? '?' : `<= ${age(holder.askedAt)}`;
}

// The clock of the server may be ahead of ours.
const age = (since: Date): string => shownDuration(Math.max(0, systemClock.wallNow() - since.getTime()));

const isoSecond = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`;

function row(name: string, value: string): string {
  return `  ${styled('dim', name.padEnd(14))} ${value}`;
}
