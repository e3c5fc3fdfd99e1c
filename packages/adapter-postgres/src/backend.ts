import { LockError } from '@holdfast/lock-core';
import type { Wanted } from './drivers/driver.ts';
import { isForbidden, isWithoutSchema, notSent, readable, readableSetUp } from './errors.ts';
import type { Settings } from './options.ts';
import { missingRights } from './rights.ts';
import { lockSchemaSql, schemaVersion } from './schema.ts';
import { type Statement, type Statements, statementsFor } from './statements.ts';

/** The database with its schema. */
export interface Backend {
  readonly statements: Statements;
  /** Runs one step; what the database refuses for good rejects with a `LockError` that says what to do. */
  step(statement: Statement, values: readonly (string | null)[], more?: StepOptions): Promise<unknown>;
}

interface StepOptions {
  /** Whether it may lock the key. */
  readonly locks?: boolean;
  /** The lock that it is about, for errors. */
  readonly key?: string | undefined;
  readonly wanted?: Wanted | undefined;
  readonly onSend?: (() => void) | undefined;
}

/** Looks at the version of the schema and at the rights once, before the first step, and creates the schema where that is allowed. */
export function createBackend({ driver, schema, createSchema }: Settings): Backend {
  const statements = statementsFor(schema, driver.prepares);
  let checked: Promise<void> | undefined;
  let isReady = false;
  /** A right was missing since: what is held may be renewed and released, but nothing more is locked before all rights are there again. */
  let isDoubtful = false;

  async function check(): Promise<void> {
    let version: unknown;
    try {
      version = await driver.answer(statements.version, []);
    } catch (error) {
      if (!isWithoutSchema(error) || !createSchema) throw error;
      await driver.run(lockSchemaSql(schema)).catch((refused: unknown) => {
        throw readableSetUp(refused);
      });
      version = await driver.answer(statements.version, []);
    }
    if (version !== String(schemaVersion)) {
      throw new LockError(
        'LOCK_UNSUPPORTED',
        `the schema ${schema} has version ${version} and this adapter uses version ${schemaVersion}: run \`holdfast setup <url>\` of the newer one`,
        { retryable: false },
      );
    }
    // Before anything is locked: without the right to delete, for one, what was acquired could not be released.
    const missing = await driver.answer(missingRights, [schema]);
    if (missing !== '') {
      throw new LockError(
        'LOCK_BACKEND',
        `the user lacks rights in the schema ${schema} of PostgreSQL: ${missing}: grant what docs/postgres.md lists`,
        { retryable: false },
      );
    }
    isReady = true;
    isDoubtful = false;
  }

  function askAgain(): Promise<void> {
    checked = undefined;
    return ready();
  }

  async function ready(): Promise<void> {
    checked ??= check().finally(() => {
      if (!isReady || isDoubtful) checked = undefined;
    });
    return checked;
  }

  return {
    statements,
    async step(statement, values, { key, locks, wanted, onSend } = {}) {
      let isSent = false;
      const sending = (): void => {
        isSent = true;
        onSend?.();
      };
      try {
        if (!isReady) await ready();
        else if (isDoubtful && locks) await askAgain();
        try {
          return await driver.answer(statement, values, wanted, sending);
        } catch (error) {
          // The database was emptied since: nothing has been done, so it may be asked again.
          if (!createSchema || !isWithoutSchema(error)) throw error;
          isReady = false;
          await askAgain();
          return await driver.answer(statement, values, wanted, sending);
        }
      } catch (error) {
        isDoubtful ||= isForbidden(error);
        throw isSent ? readable(error, key) : notSent(readable(error, key), key);
      }
    },
  };
}
