import { describe, expect, it } from 'vitest';
import { type SharedSubscriber, sharedSubscriber } from '../src/clients/shared-subscriber.ts';

/** What a client was asked, and how to answer the first of it that has no answer. */
interface Asked {
  readonly commands: string[];
  answer(): Promise<void>;
  subscriber(name: string): SharedSubscriber;
}

function client(): Asked {
  const commands: string[] = [];
  const open: (() => void)[] = [];
  const shared = {};
  const ask = (command: string) => (channel: string) => {
    commands.push(`${command} ${channel}`);
    return new Promise<void>((resolve) => open.push(resolve));
  };
  return {
    commands,
    async answer() {
      open.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    },
    subscriber: (name) =>
      sharedSubscriber(shared, {
        isReady: () => true,
        isOpen: () => true,
        subscribe: ask(`${name} subscribes`),
        unsubscribe: ask(`${name} unsubscribes`),
        close() {},
      }),
  };
}

describe('subscriptions over one client of node-redis', () => {
  it('H40: the commands for one channel wait for each other, whoever sends them', async () => {
    const { commands, answer, subscriber } = client();
    const [a, b] = [subscriber('a'), subscriber('b')];
    void a.subscribe('one');
    void b.subscribe('one');
    void a.subscribe('other');
    void a.unsubscribe('one');
    const first = ['a subscribes one', 'a subscribes other'];
    expect(commands).toEqual(first);
    await answer();
    expect(commands).toEqual([...first, 'b subscribes one']);
    await answer();
    await answer();
    expect(commands).toEqual([...first, 'b subscribes one', 'a unsubscribes one']);
  });

  it('H43: what has no answer keeps nobody waiting over another connection, and ends nothing of it later', async () => {
    const { commands, answer, subscriber } = client();
    const a = subscriber('a');
    void a.subscribe('one');
    void a.unsubscribe('one');
    a.startOver();
    void a.subscribe('one');
    expect(commands).toEqual(['a subscribes one', 'a subscribes one']);
    await answer();
    await answer();
    expect(commands).toHaveLength(2);
    void a.unsubscribe('one');
    expect(commands.at(-1)).toBe('a unsubscribes one');
  });
});
