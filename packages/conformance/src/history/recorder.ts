import { closeSync, openSync, writeSync } from 'node:fs';
import type { LockAdapter, Locks } from '@holdfast/lock-core';
import { formatEvent, type HistoryEvent } from './events.ts';
import { type Notes, reasonOf } from './notes.ts';
import { recordAdapter } from './record-adapter.ts';
import { recordLocks } from './record-locks.ts';

/** Where a recorder writes, and as whom. */
export interface RecorderOptions {
  /**
   * Where to append the events as JSONL, each at once, so that they outlive a killed process; default nowhere. One file per process, to be
   * merged by `readHistoryFiles`.
   */
  readonly file?: string | undefined;
  /** The label of this process or client in the history; default its pid. Distinct within a history. */
  readonly process?: string | undefined;
}

/** Notes what happens to locks. */
export interface Recorder {
  /** All events so far. */
  readonly events: readonly HistoryEvent[];
  /** The adapter as it is, each of its calls noted before the send and after the answer. */
  adapter(adapter: LockAdapter): LockAdapter;
  /** The locks as they are, each acquire, renewal, downgrade, release and loss noted; semaphores are not. */
  locks(locks: Locks): Locks;
  /**
   * Notes one write to a resource that looks at fencing tokens: `send` resolves to whether it was accepted; its rejection is "unknown", and passed on.
   */
  write(key: string, fence: bigint, send: () => Promise<boolean>): Promise<boolean>;
  /** Closes the file. Idempotent. */
  close(): void;
}

/** Makes a recorder. @throws what `openSync` throws when the file cannot be opened. */
export function createRecorder(options: RecorderOptions = {}): Recorder {
  const label = options.process ?? String(process.pid);
  const events: HistoryEvent[] = [];
  let file = options.file === undefined ? undefined : openSync(options.file, 'a');
  let lastId = 0;
  const notes: Notes = {
    process: label,
    now: () => Number(process.hrtime.bigint()) / 1e6,
    nextId: () => `${label}/${++lastId}`,
    note({ t = notes.now(), ...rest }) {
      const event: HistoryEvent = { t, process: label, ...rest };
      events.push(event);
      if (file !== undefined) writeSync(file, `${formatEvent(event)}\n`);
    },
  };
  return {
    events,
    adapter: (adapter) => recordAdapter(notes, adapter),
    locks: (locks) => recordLocks(notes, locks),
    async write(key, fence, send) {
      const call = { op: notes.nextId(), f: 'write', key, hold: `fence ${fence}`, fence } as const;
      notes.note({ ...call, kind: 'invoke' });
      try {
        const accepted = await send();
        notes.note({ ...call, kind: accepted ? 'ok' : 'fail' });
        return accepted;
      } catch (error) {
        notes.note({ ...call, kind: 'info', why: reasonOf(error) });
        throw error;
      }
    },
    close() {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}
