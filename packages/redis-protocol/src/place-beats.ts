import { outcomeOf } from './acquire.ts';
import { claimWords } from './claim.ts';
import { isTryAgain, readable, refusedAgain, unknownOutcome } from './errors.ts';
import { beatMs, isDefinite, longestSilenceMs, now, type Place, plan, type Waiting } from './place.ts';
import { askFor, claim, isQueued } from './place-claims.ts';
import { errorIn, readAcquireReply, readBeatReply } from './replies.ts';
import { runLockScript } from './requests.ts';
import { scripts } from './scripts.ts';

/** How many places one script keeps. */
const placesPerBeat = 100;

/** Keeps all places of the process that are due, with one call, or on a cluster one for each key. */
export function beat(waiting: Waiting): void {
  waiting.timer = undefined;
  if (waiting.closed) return;
  const { client } = waiting.state;
  const at = now();
  const due: Place[] = [];
  for (const place of [...waiting.byOwner.values()]) {
    // All places are kept together, about once a second.
    if (place.beatAt > at + beatMs / 4) continue;
    place.beatAt = at + beatMs;
    if (at - place.answeredAt > longestSilenceMs) {
      place.settle(undefined, unknownOutcome('the place in the queue was kept', client.name, place.attempt.key));
    } else if (place.ticket === '0') {
      if (place.asking === 0) askFor(waiting, place);
    } else due.push(place);
  }
  for (const places of client.cluster ? byKey(due) : [due]) {
    for (let i = 0; i < places.length; i += placesPerBeat) keep(waiting, places.slice(i, i + placesPerBeat));
  }
  let next = Number.POSITIVE_INFINITY;
  for (const place of waiting.byOwner.values()) next = Math.min(next, place.beatAt);
  if (next !== Number.POSITIVE_INFINITY) plan(waiting, next);
}

function byKey(places: readonly Place[]): readonly (readonly Place[])[] {
  const groups = new Map<string, Place[]>();
  for (const place of places) {
    const group = groups.get(place.channel);
    if (group === undefined) groups.set(place.channel, [place]);
    else group.push(place);
  }
  return [...groups.values()];
}

/** The command that keeps these places, which are of one slot on a cluster. */
function beatCommand({ state }: Waiting, places: readonly Place[]): string[] {
  const { settings } = state;
  const keys = new Map<string, number>();
  const keyWords: string[] = [];
  const words: string[] = [state.publish, settings.fencing ? '4' : '3'];
  for (const { attempt, keys: of, ticket } of places) {
    if (!keys.has(of.lock)) {
      keys.set(of.lock, keys.size + 1);
      keyWords.push(of.lock, of.queue, of.places);
      if (settings.fencing) keyWords.push(of.fence);
    }
    const { owner, ttlMs, tokens, claim } = attempt;
    words.push(String(keys.get(of.lock)), owner, String(ttlMs), String(tokens), ticket, ...claimWords(claim));
  }
  return [scripts.beat.sha, String(keyWords.length), ...keyWords, ...words];
}

/** Sends one beat for these places. */
function keep(waiting: Waiting, due: readonly Place[]): void {
  const { state } = waiting;
  const { client } = state;
  let places: readonly Place[] = [];
  // If the server does not know the script, it is asked again, without waiters that have left or got the lock (H106).
  const command = (): string[] => {
    places = due.filter(({ done }) => !done);
    return beatCommand(waiting, places);
  };
  const first = due[0]!;
  const sentAt = now();
  const { resends } = client;
  const answered = runLockScript<readonly unknown[]>(state, scripts.beat, command, {
    key: client.cluster ? first.keys.lock : undefined,
    name: first.attempt.key,
    read: (reply) => readBeatReply(reply, places.length, client.name),
  }).then(
    (replies) => {
      // Answers to a command that was sent twice prove nothing.
      if (client.resends !== resends) return;
      for (const [i, place] of places.entries()) kept(waiting, place, replies[i], sentAt);
    },
    (error: unknown) => {
      if (isTryAgain(error)) for (const place of places) place.answeredAt = sentAt;
      if (!isDefinite(error)) return;
      for (const place of places) if (!place.done) place.settle(undefined, refusedAgain(error));
    },
  );
  const beating = answered.then(() => {
    for (const place of places) if (place.beating === beating) place.beating = undefined;
  });
  for (const place of places) place.beating = beating;
}

function kept(waiting: Waiting, place: Place, reply: unknown, sentAt: number): void {
  if (place.done) return;
  const { client } = waiting.state;
  const { key } = place.attempt;
  try {
    const failed = errorIn(reply);
    if (failed !== undefined) throw readable(failed, client.name, key);
    const outcome = outcomeOf(waiting.state, place.attempt, place.keys, readAcquireReply(reply, client.name, key));
    place.answeredAt = sentAt;
    if (outcome.status === 'granted') claim(waiting, place);
    else if (outcome.status === 'queued') isQueued(waiting, place, outcome, sentAt);
  } catch (error) {
    if (isTryAgain(error)) place.answeredAt = sentAt;
    else if (isDefinite(error)) place.settle(undefined, refusedAgain(error));
  }
}
