import type { HistoryEvent } from './events.ts';

/** What the recording wrappers write to. */
export interface Notes {
  readonly process: string;
  /** Ms of the clock of the history. */
  now(): number;
  /** A name that no other call or hold of the history has. */
  nextId(): string;
  note(event: Omit<HistoryEvent, 't' | 'process'> & { readonly t?: number | undefined }): void;
}

/** An error in the words of the history. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
