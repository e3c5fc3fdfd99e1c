import { expect, it } from 'vitest';
import type { Place, Waiting } from '../src/place.ts';
import { beat } from '../src/place-beats.ts';
import { countUnanswered } from '../src/requests.ts';

const keys = { lock: 'lock:k', queue: 'queue:k', places: 'places:k', fence: 'fence:k' };

const placeOf = (owner: string): Place =>
  ({
    ...{ keys, channel: keys.lock, ticket: '100000000000001', beatAt: 0, answeredAt: performance.now(), done: false },
    attempt: { key: 'k', owner, ttlMs: 20_000, tokens: 1 },
  }) as unknown as Place;

it('H106: a beat that is sent again, to a server that does not know the script, is not for those who have left', async () => {
  const [stays, leaves] = [placeOf('stays'), placeOf('leaves')];
  const sent: (readonly string[])[] = [];
  const client = {
    ...{ name: 'fake', ready: true, cluster: false, resends: 0 },
    async call(name: string, words: readonly string[]) {
      sent.push([name, ...words]);
      if (name === 'eval') return ['q 100000000000001 5000'];
      leaves.done = true;
      throw new Error('NOSCRIPT No matching script. Please use EVAL.');
    },
  };
  const state = { client, settings: { fencing: false }, unanswered: countUnanswered(), publish: 'PUBLISH' };
  const byOwner = new Map([stays, leaves].map((place) => [place.attempt.owner, place]));
  // Closed, so that no timer is planned.
  const waiting = { state, byOwner, closed: false, timer: 1, timerAt: 0 } as unknown as Waiting;
  beat(waiting);
  waiting.closed = true;
  await expect.poll(() => sent.length).toBe(2);
  expect(sent.map(([name, ...words]) => [name, words.includes('stays'), words.includes('leaves')])).toEqual([
    ['evalsha', true, true],
    ['eval', true, false],
  ]);
});
