import { readableSetUp } from './errors.ts';
import { type PostgresLockOptions, settingsOf } from './options.ts';
import { lockSchemaSql } from './schema.ts';

/**
 * Creates the schema with the tables, the sequence and the functions of the locks, or brings it up to date. It may be called again, and
 * by several processes at once. The user needs the right to create a schema in the database.
 *
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid option; LOCK_BACKEND if the database refuses; any other error of the client
 */
export async function createLockSchema(options: PostgresLockOptions = {}): Promise<void> {
  const { driver, schema } = settingsOf(options);
  try {
    await driver.run(lockSchemaSql(schema));
  } catch (error) {
    throw readableSetUp(error);
  } finally {
    await driver.close();
  }
}
