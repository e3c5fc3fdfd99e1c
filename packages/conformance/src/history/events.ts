import { readFileSync } from 'node:fs';
import type { Claim } from '@holdfast/lock-core';

/** One thing that happened to a lock, as it was seen from outside. A history is a list of them, of any number of processes. */
export interface HistoryEvent {
  /** Ms of `process.hrtime`, which all processes of one machine share. Of an invoke: before the send; of a return: after the answer. */
  readonly t: number;
  /** Which process or client; a label for people. */
  readonly process: string;
  /** The call: its invoke and its return share it. */
  readonly op: string;
  /** What was called; `hold` for what comes by itself. */
  readonly f: 'acquire' | 'renew' | 'downgrade' | 'release' | 'write' | 'hold';
  /**
   * `ok`: granted, renewed, released, accepted. `fail`: certainly not (busy, lost, refused). `info`: nobody knows. `queued`: the place
   * in the queue is confirmed. `lost`: the holder was told that its hold is gone.
   */
  readonly kind: 'invoke' | 'queued' | 'ok' | 'fail' | 'info' | 'lost';
  readonly key: string;
  /** One possession of the key, from the first request to the release. */
  readonly hold: string;
  /** Who holds: holds of one owner may overlap. Not known yet at some invokes. */
  readonly owner?: string | undefined;
  /** Of an acquire: what was asked for; absent: exclusive. */
  readonly claim?: Claim | undefined;
  readonly fence?: bigint | undefined;
  /** How many tokens from `fence` upwards belong to the hold; default 1. */
  readonly tokens?: number | undefined;
  /** Until when, by the same clock, the lease stands at least, as far as is known with this event. */
  readonly deadline?: number | undefined;
  /** Why it failed, or is unknown. */
  readonly why?: string | undefined;
}

/** One event as a line of JSONL, without its end of line. */
export function formatEvent(event: HistoryEvent): string {
  return JSON.stringify(event, (_name, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}

/**
 * Reads histories in JSONL and merges them by time. A last line without an end, as a killed process may leave it, is left out.
 * @throws SyntaxError naming the line that is no event.
 */
export function parseHistory(...texts: readonly string[]): HistoryEvent[] {
  const events = texts.flatMap((text) => {
    const lines = text.split('\n');
    lines.pop();
    return lines.flatMap((line, index) => (line.trim() === '' ? [] : [parseEvent(line, index + 1)]));
  });
  return events.sort((a, b) => a.t - b.t);
}

/** Reads the JSONL files of the processes of one run and merges them by time. @throws what `readFileSync` and `parseHistory` throw. */
export function readHistoryFiles(...paths: readonly string[]): HistoryEvent[] {
  return parseHistory(...paths.map((path) => readFileSync(path, 'utf8')));
}

function parseEvent(line: string, number: number): HistoryEvent {
  try {
    const { fence, ...event } = JSON.parse(line) as Omit<HistoryEvent, 'fence'> & { fence?: string };
    for (const name of ['op', 'f', 'kind', 'key', 'hold'] as const) {
      if (typeof event[name] !== 'string') throw new SyntaxError(`"${name}" is missing`);
    }
    if (!Number.isFinite(event.t)) throw new SyntaxError('"t" is no number');
    if (event.f === 'write' && fence === undefined) throw new SyntaxError('"fence" of a write is missing');
    return fence === undefined ? event : { ...event, fence: BigInt(fence) };
  } catch (cause) {
    throw new SyntaxError(`Line ${number} is no event of a history: ${(cause as Error).message}`, { cause });
  }
}
