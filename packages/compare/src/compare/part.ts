import type { PartProgress } from '../progress.ts';
import type { BackendId, Report } from '../report/schema.ts';
import type { RunningBackend } from './running-backend.ts';
import type { SubjectPool } from './subject-pool.ts';

/** What a part of the comparison works with. */
export interface PartContext {
  readonly backends: readonly RunningBackend[];
  readonly pool: SubjectPool;
  readonly quick: boolean;
  /** Replaces the part's own number of rounds. */
  readonly rounds: number | undefined;
  readonly progress: PartProgress;
  /** Notes a gap of the report. */
  notMeasured(backend: BackendId | null, what: string, why: string): void;
  /** Notes what must not happen at all. */
  fail(what: string): void;
}

/** Measures, and gives what it adds to the report. */
export type Part = (context: PartContext) => Promise<Partial<Report>>;

/** The reason of an error in one line. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n')[0]!.trim();
}
