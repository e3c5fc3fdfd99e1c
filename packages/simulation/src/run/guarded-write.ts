import type { ActorTerms } from './actor.ts';
import type { Held } from './held.ts';

type Writing = Pick<ActorTerms, 'process' | 'oracle' | 'now' | 'note'> & { sleep(ms: number): Promise<void> };

/** Writes with the token of a hold, or looks with that of a reader. An answer may never come: the application goes on after a while. */
export async function write({ process, oracle, now, note, sleep }: Writing, held: Held): Promise<void> {
  const {
    step: { key },
    lock,
    name,
  } = held;
  const token = lock.fencingToken;
  if (token === undefined || process.guard === undefined) return;
  // A reader looks whether a newer token was there.
  const isLook = lock.mode === 'shared';
  const wasHeld = oracle.holdersOf(key).includes(held);
  if (!isLook) oracle.asksToWrite(key, token);
  const answer = await Promise.race([process.guard(key, token, isLook).catch(() => undefined), sleep(1_000)]);
  note(process.machine.name, `${name} ${isLook ? 'looks' : 'writes'} with token ${token}: ${answer ?? 'no answer'}`);
  if (answer !== false) return;
  oracle.refusedWrite(key, token, name, isLook);
  // Nobody else writes while it holds the key alone, or beside readers.
  const isAsGranted = held.excused === undefined && now() < held.shortFrom;
  const isAlone = lock.mode !== 'permits' && wasHeld && oracle.holdersOf(key).includes(held);
  if (isAlone && isAsGranted && oracle.excuses.length === 0 && !oracle.hasForced)
    oracle.fail('wrong answer', `the guard refused ${name}, which holds ${key} all the while, with its token ${token}`);
}
