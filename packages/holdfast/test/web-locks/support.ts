import { startEtcd, startRedis } from '@holdfast/testbed';
import { afterAll, beforeAll } from 'vitest';
import { type Locks, openLocks } from '../../src/index.ts';
import {
  type WebLock,
  type WebLockOptions,
  type WebLockSnapshot,
  type WebLocks,
  webLocks,
} from '../../src/web-locks/index.ts';

/** Two views of one backend, as two tabs have of one browser, and the locks under them. */
export interface Tabs {
  readonly here: WebLocks;
  readonly there: WebLocks;
  readonly locksHere: Locks;
  readonly locksThere: Locks;
}

interface Backend {
  readonly backend: string;
  start(): Promise<{ url: string; stop(): Promise<void> }>;
}

/** Where the behaviours are tried: in a process, over a network with polling order, over one with a queue. */
export const backends: readonly Backend[] = [
  { backend: 'memory', start: async () => ({ url: 'memory:', stop: async () => {} }) },
  { backend: 'Redis', start: startRedis },
  { backend: 'etcd', start: startEtcd },
];

/** Opens the tabs before the tests of a `describe`, and closes them after. */
export function tabsOf({ start }: Backend): () => Tabs {
  let tabs: Tabs;
  const closing: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    const { url, stop } = await start();
    const locksHere = await openLocks(url, { ttlMs: 6_000 });
    const locksThere = await openLocks(url, { ttlMs: 6_000 });
    closing.push(
      () => locksHere.close(),
      () => locksThere.close(),
      () => stop(),
    );
    tabs = { here: webLocks(locksHere), there: webLocks(locksThere), locksHere, locksThere };
  });
  afterAll(async () => {
    for (const close of closing) await close();
  });
  return () => tabs;
}

/** A promise that is settled from outside. */
export function gate(): { opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Holds a name in a view until `letGo`; resolves when it is held. `done` is the request's own promise. */
export async function hold(view: WebLocks, name: string): Promise<{ letGo(): void; done: Promise<string> }> {
  const { opened: held, open: tell } = gate();
  const { opened: end, open: letGo } = gate();
  const done = view.request(name, async () => {
    tell();
    await end;
    return `had ${name}`;
  });
  await Promise.race([held, done]);
  return { letGo, done };
}

let names = 0;
export const uniqueName = (): string => `case ${++names}`;

export const granted = (lock: WebLock | null): boolean => lock !== null;

/** What a query says about one name. */
export const entriesOf = (list: WebLockSnapshot['held'], name: string): WebLockSnapshot['held'] =>
  list.filter((entry) => entry.name === name);
export const modesOf = (list: WebLockSnapshot['held'], name: string): unknown[] =>
  entriesOf(list, name).map(({ mode }) => mode);

/** Requests a lock and keeps it until `letGo`; what becomes of the request is for whoever looks at `done`. */
export function requestAndHold(
  view: WebLocks,
  name: string,
  options: WebLockOptions = {},
): { letGo: () => void; done: Promise<unknown> } {
  const { opened, open: letGo } = gate();
  const done = view.request(name, options, () => opened);
  done.catch(() => {});
  return { letGo, done };
}

export async function until(look: () => Promise<boolean>): Promise<void> {
  while (!(await look())) await new Promise((resolve) => setTimeout(resolve, 1));
}
