import { randomUUID } from 'node:crypto';
import { type Stage, startWorker, type Worker } from '@holdfast/example-kit';
import { type Database, startDatabase } from './database.ts';

export const slots = 3;
const clients = 8;
const wanted = 40;

/** What the database saw. */
export interface Outcome {
  readonly most: number;
  readonly refused: number;
  readonly answered: number;
  /** How many clients were killed while they were connected. */
  readonly killed: number;
}

/**
 * Eight processes share a database that takes three connections. `crashes`: as many are killed in the middle of a query, and the
 * rest has to get all `wanted` queries through all the same.
 */
export async function play(stage: Stage, limited: boolean, crashes: number): Promise<Outcome> {
  const database: Database = await startDatabase(slots);
  stage.atEnd(() => database.close());
  const workers = new Map<number, Worker>();
  let killed = 0;
  const handlers = {
    connected(pid: number) {
      // The slot is taken and the connection open: the worst moment to die.
      if (killed < crashes) {
        killed++;
        workers.get(pid)?.process.kill('SIGKILL');
      }
    },
    'go on': () => database.answered + database.refused < wanted,
  };
  const args = [stage.url, randomUUID().slice(0, 8), String(slots), String(database.port), String(limited)];
  const started = Array.from({ length: clients }, () =>
    startWorker(stage, new URL('./client.ts', import.meta.url), args, handlers),
  );
  for (const worker of started) workers.set(worker.process.pid!, worker);
  await Promise.all(started.map((worker) => worker.ended));
  const { most, refused, answered } = database;
  return { most, refused, answered, killed };
}

/** Whether nobody was turned away, and the crashed clients' slots came back: without them no query would get through. */
export function isRight({ most, refused, answered, killed }: Outcome): boolean {
  return most <= slots && refused === 0 && answered >= wanted && killed === slots;
}
