import { readFileSync } from 'node:fs';
import type { Claim } from '@holdfast/lock-core';

/** An event of a lock, as observed from outside. A history is a list of events, from any number of processes. */
export interface HistoryEvent {
  /** Ms of `process.hrtime`, which all processes of a machine share: before the request for an invoke, after the answer for a return. */
  readonly t: number;
  /** The label of the process or client. */
  readonly process: string;
  /** The ID of the call; its invoke and its return have the same. */
  readonly op: string;
  /** What was called; `hold` for an event without a call. */
  readonly f: 'acquire' | 'renew' | 'downgrade' | 'release' | 'write' | 'hold';
  /**
   * `ok`: granted, renewed, released or accepted. `fail`: certainly not (busy, lost, refused). `info`: the outcome is unknown.
   * `queued`: the place in the queue was confirmed. `lost`: the holder was notified of the loss.
   */
  readonly kind: 'invoke' | 'queued' | 'ok' | 'fail' | 'info' | 'lost';
  readonly key: string;
  /** The ID of the hold, from its first request to its release. */
  readonly hold: string;
  /** The owner. Holds of the same owner may overlap. Not yet known for some invokes. */
  readonly owner?: string | undefined;
  /** For an acquire: what was requested; exclusive if absent. */
  readonly claim?: Claim | undefined;
  readonly fence?: bigint | undefined;
  /** How many tokens, from `fence` upwards, belong to the hold; default 1. */
  readonly tokens?: number | undefined;
  /** The earliest time, on the same clock, at which the lease can end, as known at this event. */
  readonly deadline?: number | undefined;
  /** Why it failed, or why its outcome is unknown. */
  readonly why?: string | undefined;
}

/** Formats an event as a line of JSONL, without the line break. */
export function formatEvent(event: HistoryEvent): string {
  return JSON.stringify(event, (_name, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}

/**
 * Parses histories in JSONL and merges them by time. Ignores an incomplete last line, which a killed process may leave.
 * @throws SyntaxError for a line that is not an event; the message has the number of the line
 */
export function parseHistory(...texts: readonly string[]): HistoryEvent[] {
  const events = texts.flatMap((text) => {
    const lines = text.split('\n');
    lines.pop();
    return lines.flatMap((line, index) => (line.trim() === '' ? [] : [parseEvent(line, index + 1)]));
  });
  return events.sort((a, b) => a.t - b.t);
}

/** Reads the JSONL files of the processes of a run and merges them by time. @throws the errors of `readFileSync` and `parseHistory` */
export function readHistoryFiles(...paths: readonly string[]): HistoryEvent[] {
  return parseHistory(...paths.map((path) => readFileSync(path, 'utf8')));
}

function parseEvent(line: string, number: number): HistoryEvent {
  try {
    const { fence, ...event } = JSON.parse(line) as Omit<HistoryEvent, 'fence'> & { fence?: string };
    for (const name of ['op', 'f', 'kind', 'key', 'hold'] as const) {
      if (typeof event[name] !== 'string') throw new SyntaxError(`"${name}" is missing`);
    }
    if (!Number.isFinite(event.t)) throw new SyntaxError('"t" is not a number');
    if (event.f === 'write' && fence === undefined) throw new SyntaxError('"fence" of a write is missing');
    return fence === undefined ? event : { ...event, fence: BigInt(fence) };
  } catch (cause) {
    throw new SyntaxError(`Line ${number} is not an event of a history: ${(cause as Error).message}`, { cause });
  }
}
