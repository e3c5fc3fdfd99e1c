import type { Answer, QuorumNode, Vote } from '../../src/protocol/node.ts';
import { createVoteStore, type StoreFaults, type VoteStore } from './store.ts';
import type { Dice, World } from './world.ts';

/** How bad things are in one schedule. */
export interface Weather {
  /** Of messages, in either direction. */
  readonly loss: number;
  /** Of messages that are late by up to `longestDelayMs`. */
  readonly late: number;
  readonly longestDelayMs: number;
  /** Of requests that the client sends a second time, as a client library does after a reconnect. */
  readonly resent: number;
  /** Of requests that fail for the client at once, done or not. */
  readonly broken: number;
  /** Of requests that are not even sent. */
  readonly unconnected: number;
}

/** A node of the simulation. */
export interface Site {
  readonly store: VoteStore;
  up: boolean;
}

/** `rate` is the speed of the node's clock; `jumpMs` what was added to it. */
export function createSite(world: World, clock: { rate: number; jumpMs: number }, faults: StoreFaults): Site {
  return { store: createVoteStore(() => world.now * clock.rate + clock.jumpMs, faults), up: true };
}

/** One client's connection to a node: messages are delayed, lost, sent twice, and overtake each other. */
export function connect(
  world: World,
  random: Dice,
  weather: Weather,
  site: Site,
  deliver: (toClient: () => void) => void,
): QuorumNode {
  const delay = (): number =>
    random.chance(weather.late) ? random.between(5, weather.longestDelayMs) : random.between(0.1, 3);

  /** Sends a request and its answer; what is answered twice counts once. */
  function send<T>(request: () => T, answer: (result: T | undefined) => void): boolean {
    if (random.chance(weather.unconnected)) return false;
    let answered = false;
    const settle = (result: T | undefined): void => {
      deliver(() => {
        if (answered) return;
        answered = true;
        answer(result);
      });
    };
    const once = (): void => {
      if (random.chance(weather.loss)) return;
      world.after(delay(), () => {
        if (!site.up) return;
        const result = request();
        if (!random.chance(weather.loss)) world.after(delay(), () => settle(result));
      });
    };
    once();
    if (random.chance(weather.resent)) once();
    if (random.chance(weather.broken)) world.after(delay(), () => settle(undefined));
    return true;
  }

  const { store } = site;
  const error = new Error('the connection broke');
  return {
    vote: (ballot, answer) => {
      const sent = send<Vote>(
        () => store.vote(ballot),
        (vote) => answer(vote ?? { kind: 'failed', error }),
      );
      return sent ? undefined : { kind: 'unreachable' };
    },
    renew: (votes, ttlMs, answer: Answer<readonly boolean[]>) =>
      send(() => votes.map((vote) => store.renew(vote, ttlMs)), answer),
    extend: (vote, ttlMs, answer: Answer<readonly boolean[]>) => send(() => [store.extend(vote, ttlMs)], answer),
    release: (vote) =>
      void send(
        () => store.release(vote),
        () => {},
      ),
    withdraw: ({ owner }, _, answer) => send(() => store.withdraw(owner), answer),
  };
}
