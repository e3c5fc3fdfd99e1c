import { readable } from './errors.ts';
import { type PostgresLockOptions, settingsOf } from './options.ts';
import { lockSchemaSql } from './schema.ts';

/**
 * Makes the schema with the tables, the sequence and the functions of the locks, or brings it up to date. Harmless when it is there, also
 * when several processes do it at once; the user needs the right to create a schema in the database.
 *
 * @throws LockError LOCK_INVALID_ARGUMENT for a bad option; LOCK_BACKEND when the database refuses, else the error of the client
 */
export async function createLockSchema(options: PostgresLockOptions = {}): Promise<void> {
  const { driver, schema } = settingsOf(options);
  try {
    await driver.run(lockSchemaSql(schema));
  } catch (error) {
    throw readable(error);
  } finally {
    await driver.close();
  }
}
