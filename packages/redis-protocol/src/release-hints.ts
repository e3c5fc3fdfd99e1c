import { LockError } from '@holdfast/lock-core';
import type { RedisClientBinding, RedisSubscriber } from './redis-client.ts';

/** Wake-up hints for waiters, over one shared subscription connection. */
export interface ReleaseHints {
  /** As `LockAdapter.whenFree`, by channel. */
  whenFree(channel: string, signal: AbortSignal): Promise<void>;
  close(): void;
}

interface Waiter {
  /** Callers that wait for the next hint. */
  pending: { resolve: () => void; reject: (reason: unknown) => void }[];
  /** Takes the listener off the signal. */
  forget: () => void;
}

/** A channel that is subscribed, is to be, or may still be by mistake. */
interface Channel {
  readonly name: string;
  /** Those who wait; none when the subscription is to end. */
  readonly waiters: Map<AbortSignal, Waiter>;
  /** Whether the subscription stands. */
  standing: boolean;
  /** Counts the commands sent for it: only the answer to the last one counts. */
  commands: number;
  /** An UNSUBSCRIBE is under way or was refused, so the subscription may stand though nobody waits. */
  leaving: boolean;
}

/** What those who wait in the queue hear of. */
export interface HintEvents {
  message(channel: string, text: string): void;
  /** The subscription stands: messages before it were missed. */
  standing(channel: string): void;
}

interface State {
  readonly client: RedisClientBinding;
  readonly events: HintEvents;
  readonly channels: Map<string, Channel>;
  connection: RedisSubscriber | undefined;
  closed: boolean;
  retry: NodeJS.Timeout | undefined;
  check: NodeJS.Timeout | undefined;
}

// While anybody waits, the connection shows so often that it is alive.
const checkEveryMs = 2_500;
// From a refused UNSUBSCRIBE to the next attempt.
const unsubscribeAgainMs = 1_000;

const { setTimeout: startTimer, clearTimeout: stopTimer } = globalThis;

/**
 * Opens one connection when it is first needed and keeps it. All waiters of a channel share one subscription, which ends with
 * the last of them and no earlier (H40). A waiter leaves nothing behind (H43).
 *
 * What is wanted and what is subscribed are compared whenever the connection comes up, and when a message comes for a channel
 * that nobody waits for: some clients renew all subscriptions that they know of, also one whose UNSUBSCRIBE was lost (H123).
 * Without a connection, nothing is sent, so nothing queues up (H116).
 */
export function createReleaseHints(client: RedisClientBinding, events: HintEvents): ReleaseHints {
  const state: State = {
    client,
    events,
    channels: new Map(),
    connection: undefined,
    closed: false,
    retry: undefined,
    check: undefined,
  };
  return {
    whenFree: (name, signal) => whenFree(state, name, signal),
    close: () => close(state),
  };
}

function whenFree(state: State, name: string, signal: AbortSignal): Promise<void> {
  if (state.closed) return Promise.reject(new LockError('LOCK_CLOSED', 'The adapter is closed.'));
  if (signal.aborted) return Promise.reject(signal.reason);
  state.connection ??= connect(state);
  if (state.check === undefined) checkLater(state);
  const channel = join(state, name);
  const waiter = channel.waiters.get(signal) ?? addWaiter(state, channel, signal);
  return new Promise((resolve, reject) => {
    waiter.pending.push({ resolve, reject });
  });
}

/** Checks the connection for as long as anybody waits. */
function checkLater(state: State): void {
  state.check = startTimer(() => {
    state.check = undefined;
    const names = [...state.channels.values()].filter(({ waiters }) => waiters.size > 0).map(({ name }) => name);
    if (state.closed || names.length === 0) return;
    state.connection?.check?.(names);
    checkLater(state);
  }, checkEveryMs);
  state.check.unref();
}

function connect(state: State): RedisSubscriber {
  return state.client.openSubscriber({
    message(name, text) {
      const channel = state.channels.get(name);
      if (channel !== undefined && channel.waiters.size > 0) {
        state.events.message(name, text);
        return wake(channel);
      }
      // Left over: no waiter, or not even known any more.
      if (channel?.leaving !== true) unsubscribe(state, channel ?? remember(state, name));
    },
    connected() {
      for (const channel of [...state.channels.values()]) {
        channel.standing = false;
        if (channel.waiters.size > 0) subscribe(state, channel);
        else unsubscribe(state, channel);
      }
    },
  });
}

function remember(state: State, name: string): Channel {
  const channel: Channel = { name, waiters: new Map(), standing: false, commands: 0, leaving: false };
  state.channels.set(name, channel);
  return channel;
}

/** The channel of a waiter that is about to be added; it is subscribed unless it is already. */
function join(state: State, name: string): Channel {
  const channel = state.channels.get(name) ?? remember(state, name);
  if (channel.waiters.size === 0) subscribe(state, channel);
  return channel;
}

function subscribe(state: State, channel: Channel): void {
  channel.leaving = false;
  // Once it is connected, everything wanted is subscribed.
  if (!state.connection?.ready) return;
  channel.commands += 1;
  const command = channel.commands;
  // Commands of one connection stay in order, so this may follow an UNSUBSCRIBE that has no answer yet.
  state.connection.subscribe(channel.name).then(
    () => {
      if (channel.commands !== command) return;
      channel.standing = true;
      state.events.standing(channel.name);
      // A message may have been lost in the meantime, so every waiter checks again (H37, H38).
      wake(channel);
    },
    (error: unknown) => {
      // Without the connection, the next one subscribes.
      if (channel.commands !== command || !state.connection?.ready) return;
      // A refused subscription is forgotten, so that the next waiter tries anew.
      state.channels.delete(channel.name);
      for (const waiter of channel.waiters.values()) leave(waiter, error);
    },
  );
}

function unsubscribe(state: State, channel: Channel): void {
  channel.standing = false;
  channel.leaving = true;
  if (!state.connection?.ready) {
    // What was never sent needs no end; the rest is compared when the connection is back.
    if (channel.commands === 0) state.channels.delete(channel.name);
    return;
  }
  channel.commands += 1;
  const command = channel.commands;
  state.connection.unsubscribe(channel.name).then(
    () => {
      if (channel.commands === command && channel.waiters.size === 0) state.channels.delete(channel.name);
    },
    () => {
      if (channel.commands === command && channel.waiters.size === 0) unsubscribeLater(state);
    },
  );
}

/** Tries again for all channels that should have ended, once for all of them. */
function unsubscribeLater(state: State): void {
  if (state.closed || state.retry !== undefined) return;
  state.retry = startTimer(() => {
    state.retry = undefined;
    for (const channel of [...state.channels.values()]) if (channel.waiters.size === 0) unsubscribe(state, channel);
  }, unsubscribeAgainMs);
  state.retry.unref();
}

function addWaiter(state: State, channel: Channel, signal: AbortSignal): Waiter {
  const onAbort = () => {
    channel.waiters.delete(signal);
    if (channel.waiters.size === 0 && state.channels.get(channel.name) === channel) unsubscribe(state, channel);
    leave(waiter, signal.reason);
  };
  const waiter: Waiter = { pending: [], forget: () => signal.removeEventListener('abort', onAbort) };
  channel.waiters.set(signal, waiter);
  signal.addEventListener('abort', onAbort, { once: true });
  // The first call resolves once the subscription is established.
  if (channel.standing) void Promise.resolve().then(() => settle(waiter));
  return waiter;
}

function wake(channel: Channel): void {
  for (const waiter of channel.waiters.values()) settle(waiter);
}

function settle(waiter: Waiter): void {
  const { pending } = waiter;
  waiter.pending = [];
  for (const { resolve } of pending) resolve();
}

function leave(waiter: Waiter, reason: unknown): void {
  waiter.forget();
  for (const { reject } of waiter.pending) reject(reason);
  waiter.pending = [];
}

function close(state: State): void {
  state.closed = true;
  stopTimer(state.retry);
  stopTimer(state.check);
  const gone = new LockError('LOCK_CLOSED', 'The adapter was closed while waiting for a lock.');
  for (const channel of state.channels.values()) {
    for (const waiter of channel.waiters.values()) leave(waiter, gone);
  }
  state.channels.clear();
  state.connection?.close();
  state.connection = undefined;
}
