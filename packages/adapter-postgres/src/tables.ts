import { createConnections } from './connections.ts';
import { readable } from './errors.ts';
import type { PostgresLockOptions } from './options.ts';
import { schemaSql } from './schema.ts';

/**
 * Makes the schema `holdfast` with the table, the sequence and the functions of the locks. Harmless when they are there,
 * also when several processes do it at once; the user needs the right to create a schema in the database.
 *
 * @throws LockError LOCK_INVALID_ARGUMENT for a bad option; LOCK_BACKEND when the database refuses, else the error of `pg`.
 */
export async function createLockTables(options: PostgresLockOptions = {}): Promise<void> {
  const connections = createConnections(options);
  try {
    await connections.ask(schemaSql, []);
  } catch (error) {
    throw readable(error);
  } finally {
    await connections.close();
  }
}
