import assert from 'node:assert/strict';
import type { LockAdapter, LocksOptions } from '@holdfast/lock-core';
import type { Context, Outside } from './context.ts';
import { faultProxies } from './faults/proxies.ts';
import type { ProxyTarget } from './faults/types.ts';
import type { Harness } from './harness.ts';
import { createRegister } from './processes/register.ts';
import { startProcess } from './start-process.ts';

/** For locks whose requests may be lost. */
export const usualPatience: LocksOptions = { attemptTimeoutMs: undefined };

/** A process on a busy machine takes its time to start. */
const startMs = 50_000;

/** What the tools of a case are made from. */
interface Workshop {
  readonly harness: Harness;
  readonly context: () => Context;
  /** Run after the case, the last one first. */
  readonly closers: (() => Promise<void> | undefined)[];
  /** Run before all closers: only then can the others end. */
  readonly healers: (() => Promise<void>)[];
  /** Called before another process is started. */
  onProcess(): void;
  /** A client that connects to these addresses, its connection warmed up. */
  open(at: readonly ProxyTarget[]): Promise<LockAdapter>;
}

/** The part of a context that breaks connections, stops servers and starts processes. */
export function openOutside({ harness, context, closers, healers, open, onProcess }: Workshop): Outside {
  const register = createRegister();
  return {
    register,

    async proxied() {
      const faults = await faultProxies(harness.servers!());
      closers.push(() => faults.close());
      healers.push(() => faults.heal());
      const adapter = await open(faults.proxies.map(({ host, port }) => ({ host, port })));
      assert.ok(
        faults.proxies.some(({ bytes }) => bytes.toServer > 0),
        'The client went past the proxies: `adapter(at)` of the harness must connect to the addresses that it is given, and to no other',
      );
      return { adapter, faults };
    },

    async proxiedLocks(options) {
      const { adapter, faults } = await context().proxied();
      return { locks: await context().locks({ ...usualPatience, ...options }, adapter), faults };
    },

    async process() {
      onProcess();
      const { key, soon, timing, boundMs } = context();
      const client = harness.process!();
      const { process, ready } = startProcess(client.execArgv, { ...register });
      closers.push(() => process.kill());
      await soon('the other process starts', ready, startMs);
      const { clock: _, ...options } = harness.locksOptions ?? {};
      const patience = { waitMs: 6 * boundMs, backendTimeoutMs: 6 * boundMs, attemptTimeoutMs: timing.graceMs };
      const opened = process.open(client, { ttlMs: timing.longTtlMs, ...patience, ...options });
      await soon('the other process opens its adapter', opened, startMs);
      await soon('the other process is connected', process.warmUp(key(), timing.ttlMs), startMs);
      return process;
    },

    async freeze() {
      const letGo = await harness.hooks!.freeze!();
      let frozen = true;
      const thaw = async (): Promise<void> => {
        if (frozen) await letGo();
        frozen = false;
      };
      healers.push(thaw);
      return thaw;
    },
  };
}
