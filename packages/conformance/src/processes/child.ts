/** The program of the other process: a client of the backend, under lock-core, that carries out commands of the suite. */
import { randomBytes } from 'node:crypto';
import { createLocks, type Lock, type LockAdapter, type Locks, type LocksOptions } from '@holdfast/lock-core';
import { createRecorder } from '../history/recorder.ts';
import { openChannel } from './channel.ts';
import { contend } from './contend.ts';
import type { Contest, ContestResult, Look, RemoteGrant } from './messages.ts';

const recorder = createRecorder();
let opened: { adapter: LockAdapter; locks: Locks } | undefined;
let held: Lock | undefined;
const waiting = new Map<string, Promise<Lock>>();

function need<T>(thing: T | undefined, what: string): T {
  if (thing === undefined) throw new Error(`this process has no ${what} yet`);
  return thing;
}

const { call } = openChannel(process, {
  /** Not by arguments, which all the machine can read: the options may hold a password. */
  async open(module: string, options: unknown, locksOptions: LocksOptions): Promise<void> {
    const { openAdapter } = (await import(module)) as { openAdapter(options: unknown): Promise<LockAdapter> };
    const adapter = await openAdapter(options);
    opened = { adapter, locks: recorder.locks(createLocks(adapter, locksOptions)) };
  },
  /** Resolves once the connection works. */
  async warmUp(key: string, ttlMs: number): Promise<void> {
    const { adapter } = need(opened, 'adapter');
    const owner = randomBytes(16).toString('hex');
    await adapter.tryAcquire({ key, owner, ttlMs, tokens: 1, signal: new AbortController().signal });
    await adapter.release({ key, owner });
  },
  async acquire(key: string, ttlMs: number): Promise<RemoteGrant> {
    held = await need(opened, 'adapter').locks.acquire(key, { ttlMs });
    return { fencingToken: held.fencingToken };
  },
  wait(key: string, ttlMs: number): void {
    const acquiring = need(opened, 'adapter').locks.acquire(key, { ttlMs });
    acquiring.catch(() => {}); // whoever asks for the grant is told
    waiting.set(key, acquiring);
  },
  async granted(key: string): Promise<RemoteGrant> {
    held = await need(waiting.get(key), 'request for this lock');
    return { fencingToken: held.fencingToken };
  },
  ping(): void {},
  look(): Look {
    const lock = need(held, 'lock');
    let asserted: string | undefined;
    try {
      lock.assertHeld();
    } catch (error) {
      asserted = (error as { code?: string }).code;
    }
    return { state: lock.state, remainingMs: lock.remainingMs, aborted: lock.signal.aborted, asserted };
  },
  /** Writes as a program does that looks at nothing: under the token that it was given. */
  write(value: number): Promise<unknown> {
    const { key, fencingToken } = need(held, 'lock');
    return call('write', key, value, fencingToken);
  },
  release: () => need(held, 'lock').release(),
  async contend(contest: Contest): Promise<ContestResult> {
    await contend({ locks: need(opened, 'adapter').locks, recorder, contest, call });
    return { events: recorder.events };
  },
});

// Without its parent it is of no use.
process.once('disconnect', () => process.exit());
await call('ready');
