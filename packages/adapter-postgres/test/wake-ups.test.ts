import { EventEmitter } from 'node:events';
import type { Client } from 'pg';
import { expect, it } from 'vitest';
import { createWakeUps } from '../src/wake-ups.ts';

/** A connection whose statements are answered by the test. */
class Line extends EventEmitter {
  readonly asked: { text: string; answer: () => void }[] = [];

  query(text: string): Promise<void> {
    return new Promise((answer) => this.asked.push({ text, answer }));
  }

  /** Answers the next statement, once it is there. */
  async answer(): Promise<string> {
    await expect.poll(() => this.asked.length).toBeGreaterThan(0);
    const { text, answer } = this.asked.shift()!;
    answer();
    return text;
  }
}

it('H37: a message from the subscription that has just ended does not count for the next one', async () => {
  const line = new Line();
  const wakeUps = createWakeUps(async () => line as unknown as Client);
  const [one, two] = [new AbortController(), new AbortController()];
  const first = wakeUps.whenFree('a', one.signal);
  expect(await line.answer()).toBe('LISTEN "a"');
  await first;
  one.abort();
  let told = false;
  const second = wakeUps.whenFree('a', two.signal).then(() => {
    told = true;
  });
  line.emit('notification', { channel: 'a' });
  expect(await line.answer()).toBe('UNLISTEN "a"');
  await expect.poll(() => line.asked.map(({ text }) => text)).toEqual(['LISTEN "a"']);
  expect(told).toBe(false);
  await line.answer();
  await second;
  const hint = wakeUps.whenFree('a', two.signal);
  line.emit('notification', { channel: 'a' });
  await hint;
  two.abort();
});
