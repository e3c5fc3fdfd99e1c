import { closeSync, openSync, writeSync } from 'node:fs';
import type { LockAdapter, Locks } from '@holdfast/lock-core';
import { formatEvent, type HistoryEvent } from './events.ts';
import { type Notes, reasonOf } from './notes.ts';
import { recordAdapter } from './record-adapter.ts';
import { recordLocks } from './record-locks.ts';

/** Options of `createRecorder`. */
export interface RecorderOptions {
  /**
   * The file to which events are appended as JSONL; default none. Each event is written at once, so that it survives if the process is
   * killed. Use one file for each process; `readHistoryFiles` merges them.
   */
  readonly file?: string | undefined;
  /** The label of this process or client, which must be unique in the history; default its process ID. */
  readonly process?: string | undefined;
}

/** Records the events of locks. */
export interface Recorder {
  /** All events so far. */
  readonly events: readonly HistoryEvent[];
  /** Wraps an adapter, and records each of its calls before the request and after the answer. */
  adapter(adapter: LockAdapter): LockAdapter;
  /** Wraps locks. Records each acquire, renewal, downgrade, release and loss, also of semaphores and groups, but not `lead`. */
  locks(locks: Locks): Locks;
  /**
   * Records a write to a resource that checks fencing tokens. `send` must resolve to whether the write was accepted. If it rejects, the
   * write is recorded as unknown, and the call rejects with the same error.
   */
  write(key: string, fence: bigint, send: () => Promise<boolean>): Promise<boolean>;
  /** Closes the file. Idempotent. */
  close(): void;
}

/** Creates a recorder. @throws the error of `openSync` if the file cannot be opened */
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
