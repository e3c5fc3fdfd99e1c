import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { LockEvent } from '@holdfast/lock-core';

interface Numbered extends LockEvent {
  readonly acquisition: number;
}

/** What lock-core publishes, by channel. */
export interface Events {
  acquire: Numbered & { readonly mode: 'exclusive' | 'shared' | 'permits' };
  grant: Numbered & {
    readonly via: 'backend' | 'hand-over' | 'reentry';
    readonly mode: 'exclusive' | 'shared' | 'permits';
    readonly holder: string | undefined;
    readonly waitedMs: number;
    readonly ttlMs: number;
    readonly fencingToken: bigint | undefined;
  };
  fail: Numbered & {
    readonly outcome: 'busy' | 'timeout' | 'aborted' | 'error';
    readonly waitedMs: number;
    readonly reason: unknown;
  };
  renew: LockEvent & { readonly outcome: 'renewed' | 'lost' | 'refused' | 'unknown' };
  release: Numbered & {
    readonly outcome: 'released' | 'handed-over' | 'lost' | 'unknown';
    readonly heldMs: number;
  };
  lost: Numbered & { readonly reason: Error };
  warning: Numbered & { readonly warning: 'unreleased' | 'own-hold'; readonly message: string };
  reap: LockEvent & { readonly outcome: 'begun' | 'released' | 'not-held' | 'given-up' };
}

export type Listeners = { readonly [Name in keyof Events]?: (event: Events[Name]) => void };

/** Subscribes to the named channels. Calling the result unsubscribes. */
export function listen(listeners: Listeners): () => void {
  const entries = Object.entries(listeners).map(([name, listener]) => {
    const listenOn = (event: unknown): void => (listener as (event: unknown) => void)(event);
    return [`holdfast:${name}`, listenOn] as const;
  });
  for (const [name, listener] of entries) subscribe(name, listener);
  return () => {
    for (const [name, listener] of entries) unsubscribe(name, listener);
  };
}
