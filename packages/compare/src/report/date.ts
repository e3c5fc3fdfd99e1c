import type { Report } from './schema.ts';

/** The day of a run, in UTC. */
export function dateOf({ startedAt }: Pick<Report, 'startedAt'>): string {
  return startedAt.slice(0, 10);
}
