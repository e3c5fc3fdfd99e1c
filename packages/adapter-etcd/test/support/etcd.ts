import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AcquireAttempt, Granted, LockAdapter } from '@holdfast/lock-core';
import { Etcd3 } from 'etcd3';
import { onTestFinished } from 'vitest';
import { type EtcdLockOptions, etcdAdapter } from '../../src/index.ts';

interface Address {
  readonly host: string;
  readonly port: number;
}

export const hostOf = ({ host, port }: Address): string => `${host}:${port}`;

/** An adapter that is closed after the test. */
export function adapterOf(server: Address | readonly Address[], options: EtcdLockOptions = {}): LockAdapter {
  const hosts = (Array.isArray(server) ? server : [server]).map(hostOf);
  const adapter = etcdAdapter({ hosts: options.client === undefined ? hosts : undefined, ...options });
  onTestFinished(() => adapter.close?.());
  return adapter;
}

/** A plain client that is closed after the test. */
export function clientOf(server: Address): Etcd3 {
  const client = new Etcd3({ hosts: hostOf(server) });
  onTestFinished(() => client.close());
  return client;
}

/** Frees a lock from one owner. */
export function forceRelease(adapter: LockAdapter, key: string, owner: string): Promise<boolean> {
  const free = adapter.forceRelease as (key: string, owner: string) => Promise<boolean>;
  return free(key, owner);
}

const never = new AbortController().signal;

/** One request with a new owner. */
export const attemptFor = (key: string, more: Partial<AcquireAttempt> = {}): AcquireAttempt => ({
  key,
  owner: randomBytes(16).toString('hex'),
  ttlMs: 30_000,
  tokens: 1,
  signal: never,
  ...more,
});

/** Enqueues a new owner behind a holder; resolves once the place stands. */
export function waitIn(
  adapter: LockAdapter,
  key: string,
  more: Partial<AcquireAttempt> = {},
): Promise<{ waiting: Promise<Granted>; owner: string; abort: AbortController }> {
  return new Promise((resolve, reject) => {
    const abort = new AbortController();
    const onQueued = (): void => resolve({ waiting, owner: attempt.owner, abort });
    const attempt = attemptFor(key, { ...more, onQueued });
    const waiting = adapter.enqueue!(attempt, abort.signal);
    waiting.then(() => reject(new Error('granted without waiting')), reject);
  });
}

let names = 0;
/** A lock name that no other test uses. */
export const newName = (): string => `n${names++}-${randomBytes(4).toString('hex')}`;

/** The places of a lock, in their order, each with its lease. */
export async function placesOf(client: Etcd3, name: string): Promise<{ key: string; lease: string }[]> {
  const { kvs } = await client.kv.range({
    key: Buffer.from(`locks/${name}/`),
    range_end: Buffer.from(`locks/${name}0`),
    sort_target: 'Create',
    sort_order: 'Ascend',
  });
  return kvs.map(({ key, lease }) => ({ key: key.toString(), lease }));
}

export async function leasesOf(client: Etcd3): Promise<string[]> {
  return (await client.leaseClient.leaseLeases()).leases.map(({ ID }) => ID);
}

/** Looks until `look` gives something true. */
export async function eventually<T>(what: string, look: () => T | Promise<T>, withinMs = 15_000): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const last = performance.now() >= deadline;
    const seen = await look();
    if (seen) return seen;
    if (last) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(20);
  }
}

/** The sum of a counter or gauge of the server, over the label sets that match. */
export async function metric({ host, port }: Address, pattern: RegExp): Promise<number> {
  const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => !line.startsWith('#') && pattern.test(line))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

/** A client one of whose calls goes through another client. */
export function detour<S extends 'kv' | 'leaseClient' | 'watchClient'>(
  client: Etcd3,
  service: S,
  call: keyof Etcd3[S],
  over: Etcd3,
): Etcd3 {
  const method = over[service][call] as (...args: unknown[]) => unknown;
  const value = Object.create(client[service], { [call]: { value: method.bind(over[service]) } });
  return Object.create(client, { [service]: { value } });
}
